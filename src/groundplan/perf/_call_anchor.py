"""What a user's own timed calls of a policy say of it: fully where they were timed, elsewhere by what is shared."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from groundplan.catalog import Accelerator
from groundplan.perf._shape import Floats
from groundplan.perf._stack import Spreads, slow_cores, unified_memory

Levels = Sequence[Sequence[Hashable]]
"""From the widest to the narrowest, the label of each row on each level; an equal label is an error in common."""


def covariance(spreads: Floats, levels: Levels) -> Floats:
    """Of log errors [n, n]: variance of each level that two rows share; the last spread is a row's own."""
    found = np.eye(len(levels[0])) * spreads[-1] ** 2
    for spread, labels in zip(spreads[:-1], levels, strict=True):
        _, place = np.unique([repr(one) for one in labels], return_inverse=True)
        found += spread**2 * (place[:, None] == place[None, :])
    return found


@dataclass(frozen=True, slots=True)
class Timed:
    """A timed call: where it ran, in which format, and the log of measured over predicted."""

    part: Accelerator
    precision: str
    log_ratio: float


@dataclass(frozen=True, slots=True)
class CallAnchor:
    """What timed calls change of a predicted one."""

    level: float
    """Factor on its time."""
    interval_factor: float
    """Of the 90 % interval, once moved."""
    said: str
    """For people; empty where nothing was timed."""


def call_anchor(
    timed: Sequence[Timed], part: Accelerator, precision: str, spreads: Spreads, usual: float
) -> CallAnchor:
    """How a call on a part in a format is moved; `usual` is the interval factor where nothing is known.

    A call that was timed is taken as it is, and what is left is a call's own scatter; any other moves by the shares of
    variance of `spreads`. The interval shrinks with the standard deviation that is left.
    """
    if not timed:
        return CallAnchor(1.0, usual, "")
    sizes = np.array(astuple(spreads))
    whole = float(np.sqrt(np.sum(sizes**2)))
    own = [one for one in timed if (one.part.id, one.precision) == (part.id, precision)]
    if own:
        return CallAnchor(math.exp(own[0].log_ratio), usual ** (spreads.row / whole), "timed by you")
    places = [part, *(one.part for one in timed)]
    hosts = [(slow_cores(one), unified_memory(one)) for one in places]
    inside = covariance(sizes, [["stack"] * len(places), hosts, [one.id for one in places]])
    weights = np.linalg.solve(inside[1:, 1:], inside[0, 1:])
    moved = float(weights @ [one.log_ratio for one in timed])
    left = math.sqrt(max(0.0, whole**2 - float(weights @ inside[0, 1:])))
    return CallAnchor(math.exp(moved), usual ** (left / whole), "moved by calls that you timed elsewhere")
