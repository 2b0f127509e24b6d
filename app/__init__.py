"""Quantum Trader: turns trading signals into orders on a crypto-futures exchange, safely."""
