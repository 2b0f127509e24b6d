"""Proof under fire: a whole system, a flood, faults from a seed, and a comparison with the exchange's own record."""
