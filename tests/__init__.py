"""The tests of Quantum Trader."""
