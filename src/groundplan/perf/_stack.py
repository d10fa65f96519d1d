"""Software stacks that run robot policies: what they reach of a roofline, and what they cost a layer and a call."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from groundplan.catalog import Accelerator
from groundplan.perf._shape import Floats

OVERLAPPED = frozenset({"eager", "compiled"})
"""Launches run ahead of the accelerator: the slower of both decides. Other stacks wait on the accelerator."""
UNTUNED = frozenset({"eager", "compiled", "graph", "jax"})
"""Stacks on the general kernels of a framework, which are slower on small parts with unified memory."""
SLOW_CORES = ("jetson-orin", "jetson-agx-orin")
"""Id prefixes of parts with Cortex-A78AE cores."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One family of stacks on a server CPU."""

    share: float
    """Of roofline speed; untuned stacks: of the dense peak, with memory time beside it."""
    layer_s: float
    """Launching and gaps of one pass through one layer."""
    call_s: float
    """Images and text in, actions out, of one call."""


@dataclass(frozen=True, slots=True)
class Host:
    """What small parts change."""

    slow_factor: float
    """Host time on slow cores over that on a server CPU."""
    unified_factor: float
    """Share of the dense peak on parts with unified memory over that on others, untuned stacks."""
    read_share: float
    """Of data-sheet bandwidth, untuned stacks."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls as the model sees them; figures or arrays of one shape."""

    roofline_s: Floats | float
    """Each operator as long as the slower of computing and moving."""
    compute_s: Floats | float
    moving_s: Floats | float
    """All computing alone, and all moving alone."""
    layer_passes: Floats | float
    slow_cores: Floats | bool
    unified: Floats | bool


def slow_cores(row: Accelerator) -> bool:
    """Whether launches come from slow cores."""
    return row.id.startswith(SLOW_CORES)


def unified_memory(row: Accelerator) -> bool:
    """Whether accelerator and host share one low-power memory."""
    return (row.memory_kind or "").startswith("lpddr")


def call_s(name: str, stack: Stack, host: Host, calls: Calls) -> Floats:
    """Seconds of a call: host work, then launches and kernels, overlapped where the stack launches ahead."""
    slow = np.where(calls.slow_cores, host.slow_factor, 1.0)
    work = np.asarray(calls.roofline_s) / stack.share
    if name in UNTUNED:
        work = _untuned_s(stack, host, calls, hidden=0.0 if name in OVERLAPPED else _hidden_share(calls))
    launched = np.asarray(calls.layer_passes) * stack.layer_s * slow
    busy = np.maximum(work, launched) if name in OVERLAPPED else work + launched
    return stack.call_s * slow + busy


def _untuned_s(stack: Stack, host: Host, calls: Calls, hidden: Floats | float) -> Floats:
    """General kernels: launched one by one they compute and move in turn; a captured program hides some of either."""
    share = stack.share * np.where(calls.unified, host.unified_factor, 1.0)
    compute, moving = np.asarray(calls.compute_s) / share, np.asarray(calls.moving_s) / host.read_share
    return compute + moving - hidden * np.minimum(compute, moving)


def _hidden_share(calls: Calls) -> Floats:
    """Of the lesser of computing and moving, what the greater hides where each operator takes the longer of both."""
    compute, moving = np.asarray(calls.compute_s), np.asarray(calls.moving_s)
    lesser = np.maximum(np.minimum(compute, moving), 1e-12)
    return np.clip((compute + moving - calls.roofline_s) / lesser, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations (log) of what calls of one stack have in common: wherever it runs, on one kind of host beyond
    that, on one part beyond that; and of a call's own."""

    stack: float
    host: float
    part: float
    row: float


@dataclass(frozen=True)
class StackFile:
    """The reviewed constants; `factors`: a measured call lies within a factor of f in nine unseen cases of ten."""

    version: str
    stacks: Mapping[str, Stack]
    host: Host
    factors: Mapping[str, float]
    spreads: Spreads


@cache
def stack_file() -> StackFile:
    """The file that ships with the package."""
    data = tomllib.loads((files("groundplan.perf") / "data" / "control.toml").read_text("utf-8"))
    stacks = {name: _stack(row) for name, row in data["stacks"].items()}
    factors = {name: float(row["factor"]) for name, row in data["stacks"].items()}
    names = ("slow_factor", "unified_factor", "read_share")
    host = Host(*(float(data["host"][name]) for name in names))
    spreads = Spreads(*(float(data["anchor"][name]) for name in Spreads.__slots__))
    return StackFile(str(data["version"]), stacks, host, factors, spreads)


def _stack(row: Mapping[str, float]) -> Stack:
    return Stack(float(row["share"]), float(row["layer_s"]), float(row["call_s"]))
