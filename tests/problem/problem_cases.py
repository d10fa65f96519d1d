"""The tiny factory of the optimisation tests, with its time and top-level keys replaced."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "optimize"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

import instances
from optimize_cases import VALUES, catalog, problem_of, rich

from groundplan.problem import Calendar, calendar_of
from groundplan.spec import Factory


def factory(**changes: Any) -> Factory:
    """The tiny factory with top-level keys replaced."""
    return rich(**changes).factory


def calendar(start: str = "2027-01", **periods: int) -> Calendar:
    """A calendar of so many months, quarters and years."""
    return calendar_of(factory(start=start, periods={"months": 0, **periods}))


__all__ = ["VALUES", "calendar", "catalog", "factory", "instances", "problem_of", "rich"]
