"""Break-even of owning against another way: over whole nodes, so as an interval of loads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from groundplan.finance import break_even_hours
from groundplan.study._price_ways import Array, Option, Terms, Tokens

RANGE = 100.0
"""Loads looked at: from the asked one over this to the asked one times this."""
MOST_NODES = 4000
JUST_ABOVE = 1e-4
"""Ways that step at one load up to rounding count as stepping together."""
STEPS = 60
Cost = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where owning and another way cost the same. Loads are peaks in requests/s, at the asked load factor."""

    rival: str
    first_win_per_s: float | None
    """Below it owning is never cheaper; None: it is not anywhere in the range."""
    always_win_per_s: float | None
    """Above it owning is always cheaper, to the end of the range; None: not even at its end."""
    range_per_s: tuple[float, float]
    load_factor: float | None
    """Mean over peak from which owning is cheaper at the asked peak (tokens); above 1: at none."""
    hours_per_month: float | None
    """Hours a month from which owning is cheaper at the asked peak (on-demand rent, given back outside them)."""


def cheapest_of(options: Sequence[Option | Tokens]) -> Cost:
    """The lower envelope of several ways."""

    def cost(loads: Array) -> Array:
        return np.min([option.usd(loads) for option in options], axis=0)

    return cost


def break_even_loads(own: Sequence[Option], others: Sequence[Option | Tokens], load: float) -> BreakEven:
    """Loads from which owning may be, and from which it is always, cheaper than the others.

    Every way is linear between the loads at which some way needs one more node, so looking at both sides of those
    loads misses no step; inside a step the crossing is found by bisection.
    """
    mine, theirs = cheapest_of(own), cheapest_of(others)
    fleets = [option.fleet for option in (*own, *others) if isinstance(option, Option)]
    most = [float(fleet.capacity_per_s(np.array(float(MOST_NODES)))) for fleet in fleets]
    low, high = load / RANGE, max(load, min([RANGE * load, *most]))
    steps = np.concatenate([fleet.capacity_per_s(_counts(fleet.nodes(np.array(high)))) for fleet in fleets])
    inside = steps[(steps > low) & (steps < high)]
    loads = np.unique(np.concatenate([[low, high, load], inside, inside * (1 + JUST_ABOVE)]))
    saved = theirs(loads) - mine(loads)
    first, last = _first_win(loads, saved), _last_loss(loads, saved)
    return BreakEven(
        rival="",
        first_win_per_s=None if first is None else _crossing(mine, theirs, *first),
        always_win_per_s=None if last is None else _crossing(mine, theirs, *last),
        range_per_s=(low, high),
        load_factor=None,
        hours_per_month=None,
    )


def _counts(nodes: Array) -> Array:
    return np.arange(1.0, float(nodes) + 1.0)


def _first_win(loads: Array, saved: Array) -> tuple[float, float] | None:
    """The loads on both sides of the first at which owning costs no more; None where there is none."""
    wins = np.flatnonzero(saved >= 0)
    return None if len(wins) == 0 else (float(loads[max(wins[0] - 1, 0)]), float(loads[wins[0]]))


def _last_loss(loads: Array, saved: Array) -> tuple[float, float] | None:
    """The loads on both sides of the last at which owning costs more; None where that is the end of the range."""
    losses = np.flatnonzero(saved < 0)
    if len(losses) == 0:
        return float(loads[0]), float(loads[0])
    return None if losses[-1] == len(loads) - 1 else (float(loads[losses[-1]]), float(loads[losses[-1] + 1]))


def _crossing(mine: Cost, theirs: Cost, low: float, high: float) -> float:
    """The load between the two at which owning becomes no dearer, by bisection."""
    for _ in range(STEPS if high > low else 0):
        middle = (low + high) / 2
        wins = float((theirs(np.array([middle])) - mine(np.array([middle])))[0]) >= 0
        low, high = (low, middle) if wins else (middle, high)
    return high


def break_even_load_factor(own: Option, tokens: Tokens, terms: Terms) -> float:
    """Mean over peak load at which owning costs what the tokens do, the peak unchanged; inf: at none."""
    lines = own.lines_usd(terms.load_per_s)
    moving = terms.load_per_s * own.load_usd.get("energy", 0.0)
    fixed = sum(lines.values()) - moving
    saving = (terms.load_per_s * tokens.usd_per_load - moving) / terms.load_factor
    return fixed / saving if saving > 0 else math.inf


def break_even_use_hours(own: Option, rent: Option, terms: Terms) -> float | None:
    """Hours a month at which owning costs what an on-demand rent does; None for a commitment, inf: at none."""
    if rent.offer is None or rent.offer.term != "on-demand":
        return None
    energy = own.lines_usd(terms.load_per_s)["energy"]
    load = np.array(terms.load_per_s)
    fixed = float(own.usd(load)) - energy
    hours = terms.hours_per_month
    return break_even_hours(fixed, float(rent.usd(load)) / hours, energy / hours)
