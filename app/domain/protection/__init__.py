"""How a held position is left: levels, the conditional orders that stand for them, and what has to be done next."""
