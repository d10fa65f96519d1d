"""Robust least squares on log ratios with priors: few positive constants, each inside its sane range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LogRatios = Callable[[Floats], Floats]
"""Values of the free constants, in their order, to log(predicted / measured), one a row."""
OUTSIDE = 3.0
"""Residual beyond which a row pulls with constant force, in units of its noise (pseudo-Huber)."""


@dataclass(frozen=True, slots=True)
class Free:
    """A positive constant to be fitted: prior value, its spread as a standard deviation of the log, and hard range."""

    name: str
    prior: float
    spread: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """A constant before and after; `deviation` is the standard deviation of its log left by rows and prior."""

    name: str
    prior: float
    value: float
    deviation: float
    spread: float
    """Of the prior."""

    @property
    def informed(self) -> bool:
        """Whether the rows say more about it than the prior does: less than 70 % of the prior spread is left."""
        return self.deviation < 0.7 * self.spread


def fit(free: Sequence[Free], log_ratios: LogRatios, weights: Floats, noise: float) -> tuple[Fitted, ...]:
    """Values that make the rows likeliest under pseudo-Huber noise (log, `noise`) and log-normal priors.

    `weights` are votes per row: a row of vote 1 has that noise. Raises ValueError where a prior lies outside its range.
    """
    from scipy.optimize import least_squares

    prior, spread = np.log([one.prior for one in free]), np.array([one.spread for one in free])
    low, high = np.log([one.low for one in free]), np.log([one.high for one in free])
    if not ((low < prior) & (prior < high)).all():
        outside = [one.name for one in free if not one.low < one.prior < one.high]
        raise ValueError(f"prior outside its range: {', '.join(outside)}")

    def residuals(logs: Floats) -> Floats:
        rows = np.sqrt(weights) * pseudo_huber(log_ratios(np.exp(logs)) / noise)
        return np.concatenate([rows, (logs - prior) / spread])

    limits = {"ftol": 1e-5, "xtol": 1e-4, "max_nfev": 40}
    found = least_squares(residuals, prior, bounds=(low, high), method="trf", x_scale=spread, **limits)
    left = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    return tuple(
        Fitted(one.name, one.prior, float(np.exp(log)), float(sd), one.spread)
        for one, log, sd in zip(free, found.x, left, strict=True)
    )


def pseudo_huber(residual: Floats) -> Floats:
    """Signed root of the pseudo-Huber loss: near `residual` where small, growing as its square root beyond 3."""
    return residual * np.sqrt(2.0 / (1.0 + np.sqrt(1.0 + (residual / OUTSIDE) ** 2)))
