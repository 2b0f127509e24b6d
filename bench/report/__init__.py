"""What a bench tells: rows with medians, spreads and verdicts, and how they are printed, stored and drawn."""
