"""Measuring forecasts against what came: skill by blocks of time, losses, and one version against another."""

from __future__ import annotations

import numpy as np

from app.domain.ensemble.outcomes import MINUTE_MS
from app.domain.ensemble.series import Booleans, Floats, Integers
from app.domain.ensemble.skill import BLOCKS_MIN, BlockSums, Skill, skill_of, t_quantile_975
from app.domain.ensemble.versions import Comparison

# A block is long beside the horizon, so that what crosses from one block into the next is little.
BLOCK_HORIZONS = 2
BLOCK_MINUTES_MIN = 20
# One-sided 90 %: a challenger has to be better by more than luck often makes it look.
BETTER_Z = 1.282
_PROBABILITY_MIN = 1e-6


def block_ms(horizon_minutes: int) -> int:
    """How long a stretch of time is taken as one piece of evidence."""
    return max(BLOCK_MINUTES_MIN, BLOCK_HORIZONS * horizon_minutes) * MINUTE_MS


def measure_skill(probabilities: Floats, rises: Booleans, at_ms: Integers, *, horizon_minutes: int) -> Skill:
    """The skill of forecasts made at `at_ms` of what was a rise or a fall `horizon_minutes` later."""
    lean, outcome = probabilities - 0.5, rises - 0.5
    blocks = at_ms // block_ms(horizon_minutes)
    sums = []
    for block in np.unique(blocks):
        here = blocks == block
        sums.append(
            BlockSums(
                product=(lean[here] * outcome[here]).sum().item(),
                lean_square=(lean[here] ** 2).sum().item(),
                outcome_square=(outcome[here] ** 2).sum().item(),
                samples=here.sum().item(),
            )
        )
    return skill_of(sums)


def log_losses(probabilities: Floats, rises: Booleans) -> Floats:
    """The surprise at each outcome, in nats."""
    said = np.where(rises, probabilities, 1.0 - probabilities)
    return np.asarray(-np.log(np.maximum(said, _PROBABILITY_MIN)))


def compare(
    challenger: Floats, champion: Floats, rises: Booleans, at_ms: Integers, *, against: str, horizon_minutes: int
) -> Comparison:
    """Whether the challenger was less surprised than the champion at the same outcomes, which neither had seen."""
    gains = log_losses(champion, rises) - log_losses(challenger, rises)
    blocks = at_ms // block_ms(horizon_minutes)
    means = np.array([gains[blocks == block].mean() for block in np.unique(blocks)])
    count = len(means)
    gain = means.mean().item() if count else 0.0
    error = means.std(ddof=1).item() / count**0.5 if count > 1 else 0.0
    enough = count >= BLOCKS_MIN // 2
    z = BETTER_Z * t_quantile_975(count - 1) / t_quantile_975(10_000) if count > 1 else 0.0
    is_better = enough and gain > max(0.0, z * error)
    if not enough:
        sentence = f"only {count} stretches of time that neither had seen: no comparison"
    else:
        word = "better than" if is_better else "not better than"
        sentence = f"{word} {against}: log loss lower by {gain:+.5f} +- {error:.5f} over {count} stretches"
    return Comparison(
        against=against, gain=gain, standard_error=error, blocks=count, is_better=is_better, sentence=sentence
    )
