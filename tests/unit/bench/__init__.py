"""The benches' own arithmetic and report."""
