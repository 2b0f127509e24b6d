"""The pure core: values, gates, state tables, ledger arithmetic; no clock, no environment, no I/O."""
