"""What the checks write down: faults with their numbers, and the largest relative breach."""

from __future__ import annotations

from dataclasses import dataclass, field

from groundplan.errors import Issue

TOLERANCE = 1e-6
"""Relative breach that still counts as kept."""
SCALE_FLOOR = 1e-3
"""Magnitudes below this are compared absolutely (units per second, kW, hours)."""
USD_FLOOR = 1.0


@dataclass(slots=True)
class Book:
    """Findings of one family of rules; `family` becomes the code of each."""

    family: str
    findings: list[Issue] = field(default_factory=list)
    max_residual: float = 0.0

    def require(self, kept: bool, where: str, what: str, hint: str = "") -> bool:
        """Record a fault unless the rule is kept; says whether it is."""
        if not kept:
            self.findings.append(Issue(self.family, where, what, hint))
        return kept

    def at_most(
        self, value: float, limit: float, where: str, what: str, hint: str = "", floor: float = SCALE_FLOOR
    ) -> bool:
        """value <= limit up to the tolerance, relative to the larger of the two."""
        breach = (value - limit) / max(abs(value), abs(limit), floor)
        return self._judge(breach, where, f"{what}: {value:.9g} exceeds {limit:.9g}", hint)

    def at_least(self, value: float, limit: float, where: str, what: str, hint: str = "") -> bool:
        """value >= limit up to the tolerance, relative to the larger of the two."""
        breach = (limit - value) / max(abs(value), abs(limit), SCALE_FLOOR)
        return self._judge(breach, where, f"{what}: {value:.9g} is below {limit:.9g}", hint)

    def equal(
        self, value: float, expected: float, where: str, what: str, hint: str = "", floor: float = SCALE_FLOOR
    ) -> bool:
        """value = expected up to the tolerance, relative to the larger of the two."""
        breach = abs(value - expected) / max(abs(value), abs(expected), floor)
        return self._judge(breach, where, f"{what}: {value:.9g} instead of {expected:.9g}", hint)

    def _judge(self, breach: float, where: str, what: str, hint: str) -> bool:
        self.max_residual = max(self.max_residual, breach)
        return self.require(breach <= TOLERANCE, where, what, hint)
