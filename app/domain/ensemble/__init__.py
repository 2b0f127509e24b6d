"""What a forecast is: candles, features without look-ahead, votes and abstentions, calibration, measured skill.

Figures of models are binary floats: they are statistics, not money. What they earned is Decimal again (`outcomes`).
`opinions`, `combine`, `versions` and `outcomes` need nothing but the standard library, so that whoever shows an
ensemble does not load what computes one.
"""
