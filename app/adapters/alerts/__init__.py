"""The ways by which alerts reach people."""
