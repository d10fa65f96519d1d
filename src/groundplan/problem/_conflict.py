"""Why no plan exists: what is in conflict, and the least changes of the file that end it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from math import ceil, floor, log10
from typing import Any

from groundplan.spec import Factory, Strict

Path = tuple[str | int, ...]


DIGITS = 3
"""Significant digits of a relaxation, rounded to the safe side."""


def rounded_up(value: float) -> float:
    """The next figure of three significant digits; 0 for what is not positive."""
    return _rounded(value, ceil, -1e-9)


def rounded_down(value: float) -> float:
    """The figure of three significant digits below; 0 for what is not positive."""
    return _rounded(value, floor, 1e-9)


def _rounded(value: float, way: Callable[[float], int], dust: float) -> float:
    if value <= 0:
        return 0.0
    step = 10.0 ** (floor(log10(value)) - DIGITS + 1)
    return float(f"{way(value / step + dust) * step:.12g}")


class Change(Strict):
    """One edit of the factory file. `new` None takes the entry out; a path that ends in ``+`` adds to a list."""

    path: Path
    """Such as ``("sites", 0, "hosting", "usable_kw")``; `LoadedSpec.where` gives its line."""
    field: str
    """For people: ``sites[changwon].hosting.usable_kw``."""
    old: Any
    new: Any

    def __str__(self) -> str:  # pyrefly: ignore
        if self.new is None:
            return f"remove {self.field}"
        if self.path[-1] == "+":
            return f"add to {self.field}: {_said(self.new)}"
        return f"{self.field} {_said(self.old)} -> {_said(self.new)}"


def _said(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_said, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_said(entry)}' for key, entry in value.items() if key != 'source')}}}"
    return f"{value:,.10g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


class Limit(Strict):
    """Something that the file asks for or allows no more of."""

    kind: str
    """demand, work, power, air, liquid, racks, capex, cash, carbon, delivery, lead, rental, tokens, bandwidth, floor,
    failover, survival; of a load that nothing may serve: residency, export, no-link, link-share, latency, memory ..."""
    id: str
    """What it is a limit of, such as ``changwon`` or ``weld-changwon@changwon``."""
    title: str
    path: Path


class Conflict(Strict):
    """Limits that cannot all hold, whatever else is let go."""

    limits: tuple[Limit, ...]
    text: str
    period: str
    """The first period in which it bites; empty where it depends on no demand."""
    irreducible: bool
    """Without any one of the limits the others can hold. False: not proved in the time allowed."""


class Relaxation(Strict):
    """The least change of one limit, all else as it stands, that makes the file feasible."""

    kind: str
    id: str
    text: str
    enough: bool
    """Applied alone, a plan exists: solved for. False: no change of this alone is enough, or none is known to be."""
    amount: float | None
    """In `unit`, where the change is one of amount."""
    unit: str
    period: str = ""
    """The first period in which all of the amount is used."""
    least: bool = True
    """Proved least but for rounding up and 1 %; False: no more than this is needed."""
    changes: tuple[Change, ...] = ()


class Reason(Strict):
    """One rule that refuses one way."""

    rule: str
    why: str


class Way(Strict):
    """One pool or token API that does not serve a load, with all that stands in the way."""

    workload: str
    origin: str
    site: str
    server: str
    reasons: tuple[Reason, ...]


class Diagnosis(Strict):
    """An infeasible file, explained."""

    conflicts: tuple[Conflict, ...]
    relaxations: tuple[Relaxation, ...]
    together: tuple[Relaxation, ...] = ()
    """Where no limit alone is enough: changes that are enough together."""
    ways: tuple[Way, ...] = ()
    """Of loads that nothing may serve: every way, with every rule that refuses it."""


def applied(factory: Factory, changes: Iterable[Change]) -> Factory:
    """The factory with changes made. Raises pydantic's ValidationError for a value that the file may not hold."""
    content = factory.model_dump(mode="json", exclude_unset=True)
    for change in changes:
        _set(content, change.path, change.new)
    return Factory.model_validate_json(json.dumps(content), strict=True)


def _set(content: Any, path: Path, new: Any) -> None:
    *heads, last = path
    for head, following in zip(heads, path[1:], strict=True):
        if isinstance(content, dict) and head not in content:
            content[head] = [] if following == "+" or isinstance(following, int) else {}
        content = content[head]
    if new is None:
        content.pop(last, None) if isinstance(content, dict) else content.pop(last)
    elif last == "+":
        content.append(new)
    else:
        content[last] = new
