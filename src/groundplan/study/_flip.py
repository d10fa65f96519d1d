"""Flip prices: at which price an alternative costs no more than the recommended plan.

Let ``A(f)`` be the least cost of an alternative when its prices are ``f`` times today's, and ``R(f)`` that of the
recommended plan as it stands: a straight line, evaluated and not solved again. A minimum of straight lines is
concave, so ``A - R`` is too, and the alternative wins on one stretch from nothing up to a flip. A plan found at one
factor is a straight line above ``A``: where it crosses ``R`` the alternative certainly wins. Bounds at two factors
are a chord below ``A``: where that crosses ``R``, it certainly loses from there on. (Caps in dollars may admit more
plans at lower prices; then the upper end rests on the bounds at the factors that were solved.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from groundplan.study._levers import Lever
from groundplan.study._types import Flip

LEAST = 0.01
"""A factor below this is as good as free."""
MOST_SOLVES = 4
CLOSE = 0.005
"""Relative step of the factor at which another solve says nothing new."""


@dataclass(frozen=True, slots=True)
class Line:
    """Cost of one plan over the factor: ``fixed + factor x slope`` [US dollars]."""

    fixed: float
    slope: float

    @staticmethod
    def through(at_half: float, at_one: float) -> Line:
        slope = 2 * (at_one - at_half)
        return Line(at_one - slope, slope)

    def at(self, factor: float) -> float:
        return self.fixed + factor * self.slope

    def cheaper_up_to(self, other: Line) -> float | None:
        """Largest factor in [LEAST, 1] up to which this costs no more than the other; None where it never does."""
        if self.at(LEAST) > other.at(LEAST):
            return None
        if self.slope <= other.slope:
            return 1.0
        return min(1.0, (other.fixed - self.fixed) / (self.slope - other.slope))


Probe = Callable[[float], tuple[Line, float]]
"""factor -> (line of the best plan there, bound there). Solves once."""


def flip(lever: Lever, recommended: Line, first: Line, first_bound_usd: float, probe: Probe) -> Flip:
    """The flip interval of one alternative; `first` is its plan of today."""
    bounds = {1.0: first_bound_usd}
    best = first.cheaper_up_to(recommended)
    while len(bounds) <= MOST_SOLVES:
        factor = LEAST if best is None else best
        if factor in bounds:
            break
        line, bounds[factor] = probe(factor)
        found = line.cheaper_up_to(recommended)
        if found is None or (best is not None and found <= best * (1 + CLOSE)):
            best = max(best or 0.0, found or 0.0) or None
            break
        best = found
    above = loses_above(bounds, recommended)
    return Flip(lever=lever.words, prices=lever.prices, wins_below=best, loses_above=above, solves=len(bounds) - 1)


def loses_above(bounds: dict[float, float], recommended: Line) -> float | None:
    """Least factor from which on the chord through the bounds stays above the recommended cost; None: not even at 1."""
    margins = sorted(((factor, bound - recommended.at(factor)) for factor, bound in bounds.items()), reverse=True)
    if margins[0][1] <= 0:
        return None
    reached = margins[0]
    for factor, margin in margins[1:]:
        if margin <= 0:
            return factor + (reached[0] - factor) * -margin / (reached[1] - margin)
        reached = (factor, margin)
    return reached[0]
