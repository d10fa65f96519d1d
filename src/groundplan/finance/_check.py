"""Refusal of values that no formula of money can take."""

from __future__ import annotations

import math

from groundplan.errors import Issue, SpecError


def need(where: str, value: float, *, low: float = -math.inf, above: float = -math.inf) -> float:
    """The value, if it is finite, at least `low` and greater than `above`; SpecError otherwise."""
    if math.isfinite(value) and value >= low and value > above:
        return value
    bound = f"above {above:g}" if above > -math.inf else f"at least {low:g}" if low > -math.inf else "finite"
    raise SpecError(Issue("finance-value", where, f"{value!r} is no usable value", f"it must be {bound}"))
