"""Moves of existing nodes: in which periods law, heat, lead and life let them leave for another site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.catalog import Catalog, Server
from groundplan.plan import MoveRefusalRow
from groundplan.policy import export
from groundplan.problem._calendar import Calendar
from groundplan.problem._figures import first_day, need, rack_refusal
from groundplan.spec import Existing, Factory, Move, Site

SEATS = ("country", "owner_country", "operator_country", "parent_country")
"""What export law reads of a site. Between sites that agree in all of them nothing is exported."""


@dataclass(frozen=True)
class Transfer:
    """Existing nodes of another site that may come to a pool."""

    owned: Existing
    move: Move
    may_leave: NDArray[np.bool_]
    """[period] whether they may leave at its start."""


def transfers(factory: Factory, catalog: Catalog, calendar: Calendar, site: Site, server: Server) -> list[Transfer]:
    """Every move that could bring nodes of a server to a site in some period."""
    found = [
        Transfer(owned, move, _judged(factory, catalog, calendar, owned, move)[0])
        for owned in factory.existing
        for move in owned.moves
        if move.to == site.id and catalog.server(owned.server).id == server.id
    ]
    return [transfer for transfer in found if transfer.may_leave.any()]


def refused_moves(factory: Factory, catalog: Catalog, calendar: Calendar) -> tuple[MoveRefusalRow, ...]:
    """Moves that can be made in no period, each with the first reason."""
    found = []
    for owned in factory.existing:
        for move in owned.moves:
            may_leave, (rule, why) = _judged(factory, catalog, calendar, owned, move)
            if not may_leave.any():
                found.append(MoveRefusalRow(existing=owned.id, to=move.to, rule=rule, why=why))
    return tuple(found)


def _judged(
    factory: Factory, catalog: Catalog, calendar: Calendar, owned: Existing, move: Move
) -> tuple[NDArray[np.bool_], tuple[str, str]]:
    """[period] whether the move may be made; the rule and reason of the first period in which it may not."""
    sites, server = {site.id: site for site in factory.sites}, catalog.server(owned.server)
    legal, reason = _under_law(factory, catalog, calendar, server, sites[owned.site], sites[move.to])
    if (hot := rack_refusal(server, sites[move.to])) is not None:
        return np.zeros_like(legal), hot
    in_time = _in_time(server, calendar, owned, move)
    if not in_time.any():
        reason = reason or ("lead", f"{move.lead_months} months end after the plan or after the life of the nodes")
    return legal & in_time, reason or ("", "")


def _under_law(
    factory: Factory, catalog: Catalog, calendar: Calendar, server: Server, here: Site, there: Site
) -> tuple[NDArray[np.bool_], tuple[str, str] | None]:
    """Export law on the first day of each period; it does not speak where nothing changes hands or crosses a border."""
    every = range(len(calendar.periods))
    if all(getattr(here, seat) == getattr(there, seat) for seat in SEATS):
        return np.ones(len(every), dtype=bool), None
    part = catalog.accelerator(server.accelerator) if server.accelerator else None
    verdicts = [export(part, site=there, on=first_day(calendar, t), held_permits=factory.held_permits) for t in every]
    reason = next(((v.rule, v.why) for v in verdicts if not v.allowed), None)
    return np.array([v.allowed for v in verdicts]), reason


def _in_time(server: Server, calendar: Calendar, owned: Existing, move: Move) -> NDArray[np.bool_]:
    """[period] whether nodes that leave then arrive within the plan and within their life."""
    end = calendar.offset(owned.bought_month) + round(need(server, "life_years") * 12)
    arrivals = [calendar.arrival(t, move.lead_months) for t in range(len(calendar.periods))]
    return np.array([a is not None and int(calendar.start_month[a]) < end for a in arrivals])
