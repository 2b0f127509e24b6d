"""The pre-trade gates, one file each; `rule_book.py` lists them in order."""
