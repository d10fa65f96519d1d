"""How much of an error rows have in common, level by level, and what one measured row then says of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from groundplan.perf.policies import Levels, covariance
from groundplan.validation._splits import Floats, Mask, leave_one_out

PRIOR_SPREAD, PRIOR_WIDTH = 0.2, 0.7
"""What is believed of the standard deviation (log) of a level before any row is read, and how firmly (log)."""


def spreads_of(logs: Floats, levels: Levels) -> Floats:
    """Likeliest standard deviation of each level and of a row's own, errors centred on 0, under the prior."""
    from scipy.optimize import minimize

    def cost(steps: Floats) -> float:
        inside = covariance(PRIOR_SPREAD * np.exp(steps), levels)
        _, size = np.linalg.slogdet(inside)
        return 0.5 * float(size + logs @ np.linalg.solve(inside, logs) + np.sum((steps / PRIOR_WIDTH) ** 2))

    found = minimize(cost, np.zeros(len(levels) + 1), method="L-BFGS-B")
    return PRIOR_SPREAD * np.exp(found.x)


def anchored_by_shares(logs: Floats, levels: Levels, publishers: Sequence[str]) -> tuple[Floats, Mask]:
    """Error of each row when one other row of its widest level is known, and whether there is one.

    The anchor moves it by what both share of the variance, as rows of other publishers say. Each other row anchors in
    turn; the answer is the log of 1 + the mean absolute relative error over anchors.
    """
    label, found, has = np.array([repr(one) for one in levels[0]]), np.zeros(len(logs)), np.zeros(len(logs), dtype=bool)
    for _, own in leave_one_out(publishers):
        others = [[one for one, mine in zip(level, own, strict=True) if not mine] for level in levels]
        spreads = spreads_of(logs[~own], others) if (~own).any() else np.full(len(levels) + 1, PRIOR_SPREAD)
        inside = covariance(spreads, levels)
        for place in np.flatnonzero(own):
            near = (label == label[place]) & (np.arange(len(logs)) != place)
            if near.any():
                left = logs[place] - inside[place, near] / inside[near, near] * logs[near]
                found[place], has[place] = np.log1p(np.mean(np.abs(np.expm1(left)))), True
    return found, has
