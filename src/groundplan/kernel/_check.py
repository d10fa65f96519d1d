"""Checks of arrays that enter the kernel: wrong input is an error with a place, never a wrong answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.errors import GroundplanError, Issue

IntArray = NDArray[np.int64]
HORIZON_PS = 100 * 86_400 * 10**12
"""Simulated time ends at 100 days (8.64e18 ps), below the range of int64; longer runs are rebased by the caller."""


class KernelError(GroundplanError):
    """Input that the kernel cannot simulate: times that run backwards, requests that can never fit, overflow."""


def fault(where: str, what: str, hint: str = "") -> Issue:
    """One issue of the kernel."""
    return Issue("kernel", where, what, hint)


def raise_if(issues: Iterable[Issue]) -> None:
    """Raise `KernelError` with every issue, or do nothing when there are none."""
    found = tuple(issues)
    if found:
        raise KernelError(found)


def int_array(where: str, values: ArrayLike | Sequence[int], *, low: int = 0, high: int = HORIZON_PS) -> IntArray:
    """One-dimensional int64 copy of ``values``, each within low..high; fractions and NaN are refused."""
    raw = np.asarray(values)
    if raw.ndim != 1:
        raise KernelError(fault(where, f"must have one dimension, has {raw.ndim}"))
    if raw.size and not _is_whole(raw):
        raise KernelError(fault(where, "must hold whole finite numbers", "round to integers first"))
    if raw.size and (raw.min() < low or raw.max() > high):
        bad = int(np.flatnonzero((raw < low) | (raw > high))[0])
        raise KernelError(fault(f"{where}[{bad}]", f"{raw[bad]} is outside {low}..{high}"))
    return raw.astype(np.int64)


def _is_whole(raw: np.ndarray) -> bool:
    if raw.dtype.kind == "f":
        return bool(np.isfinite(raw).all() and (raw == np.floor(raw)).all())
    return raw.dtype.kind in "iu"


def arrivals_array(where: str, values: ArrayLike) -> IntArray:
    """Arrival times in ps, checked to be whole, not negative and not decreasing."""
    times = int_array(where, values)
    backwards = np.flatnonzero(np.diff(times) < 0)
    if backwards.size:
        at = int(backwards[0]) + 1
        raise KernelError(fault(f"{where}[{at}]", f"{times[at]} comes before {times[at - 1]}", "sort the arrivals"))
    return times


def whole(where: str, value: int, low: int = 1) -> int:
    """An integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise KernelError(fault(where, f"must be an integer of at least {low}, is {value!r}"))
    return int(value)


def finite(where: str, value: float, *, low: float, open_low: bool = True) -> float:
    """A finite number above ``low`` (or equal to it when ``open_low`` is false)."""
    number = float(value)
    if not np.isfinite(number) or number < low or (open_low and number == low):
        raise KernelError(fault(where, f"must be a finite number above {low}, is {value!r}"))
    return number
