"""Rows and verdicts of a price, and the conventions that stand behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np

from groundplan.catalog import Overheads
from groundplan.study._price_bench import usd_at
from groundplan.study._price_types import PriceQuestion, PriceRow, PriceVerdict
from groundplan.study._price_ways import Ground, Option, Terms, Tokens


def own_rows(options: Iterable[Option], region: str, terms: Terms) -> list[PriceRow]:
    """The cheapest way of each server."""
    return [_row(_least(ways, terms), region, region, 1, terms) for ways in _grouped(options, _server_key)]


def rent_rows(options: Iterable[Option], terms: Terms) -> list[PriceRow]:
    """The cheapest offer of each provider and region."""
    rows = []
    for ways in _grouped(options, _provider_key):
        best = _least(ways, terms)
        assert best.offer is not None
        rows.append(_row(best, best.offer.region, best.offer.country or "", len({o.id for o in ways}), terms))
    return rows


def token_rows(ways: Iterable[Tokens], terms: Terms) -> list[PriceRow]:
    """One row a provider and name of the model."""
    return [_token_row(way, terms) for way in ways]


def _server_key(option: Option) -> tuple[str, ...]:
    return (option.id,)


def _provider_key(option: Option) -> tuple[str, ...]:
    assert option.offer is not None
    return option.offer.provider, option.offer.region


def _grouped(options: Iterable[Option], key: object) -> Iterator[list[Option]]:
    ordered = sorted(options, key=key)  # type: ignore[arg-type]
    yield from (list(ways) for _, ways in groupby(ordered, key=key))  # type: ignore[arg-type]


def _least(ways: Iterable[Option], terms: Terms) -> Option:
    return min(ways, key=lambda o: (usd_at(o, terms.load_per_s), not o.exact, o.id, o.fleet.point.id))


def _row(option: Option, region: str, country: str, offers: int, terms: Terms) -> PriceRow:
    load, point = terms.load_per_s, option.fleet.point
    usd, (low, high) = usd_at(option, load), option.band_usd(load)
    nodes = option.fleet.nodes(np.array(load))
    mtok, output_mtok = terms.mtok_per_month(load)
    offer, price = option.offer, option.price
    slots = f"{point.slots_per_replica}" + (f" x {point.nodes_per_replica}" if point.nodes_per_replica > 1 else "")
    held = float(option.fleet.held_replicas(nodes))
    return PriceRow(
        way=option.kind,
        name=offer.provider if offer else option.id,
        region=region,
        country=country,
        what=f"{offer.accelerators_count} x {offer.accelerator}"
        if offer
        else f"{option.id}, {point.precision} on {slots}",
        term=offer.term if offer else "",
        usd_per_month=usd,
        low_usd_per_month=low,
        high_usd_per_month=high,
        usd_per_mtok=usd / mtok,
        usd_per_output_mtok=usd / output_mtok,
        exact=option.exact,
        nodes=int(nodes),
        replicas=int(option.fleet.replicas(np.array(load))),
        peak_use=load / (held * point.capacity_per_s),
        lines_usd=option.lines_usd(load),
        price=_price_text(option),
        price_dated=offer.dated if offer else price.dated if price else None,
        price_assumed=price.assumed if price else offer is not None and offer.source.kind == "assumed",
        sources=price.sources if price else (offer.source,) if offer else (),
        offers_count=offers,
    )


def _price_text(option: Option) -> str:
    if option.offer is not None:
        return f"{option.offer.price_usd_per_hour:,.2f}/h"
    assert option.price is not None
    low, high = option.price.usd_low, option.price.usd_high
    return f"{low:,.0f}" + (f"–{high:,.0f}" if high > low else "") + f" a {option.price.scope}"


def _token_row(way: Tokens, terms: Terms) -> PriceRow:
    offer, usd = way.offer, terms.load_per_s * way.usd_per_load
    mtok, output_mtok = terms.mtok_per_month(terms.load_per_s)
    listed = offer.price
    return PriceRow(
        way="tokens",
        name=offer.provider_name,
        region="not stated",
        country="",
        what=offer.provider_model,
        term="",
        usd_per_month=usd,
        low_usd_per_month=usd,
        high_usd_per_month=usd,
        usd_per_mtok=usd / mtok,
        usd_per_output_mtok=usd / output_mtok,
        exact=True,
        nodes=None,
        replicas=None,
        peak_use=None,
        lines_usd={"tokens": usd},
        price=f"{listed.input_usd_per_mtok:.4g} in, {listed.output_usd_per_mtok:.4g} out",
        price_dated=listed.source.dated,
        price_assumed=listed.source.kind == "assumed",
        sources=(listed.source,),
    )


def verdict(scope: str, rows: Sequence[PriceRow], own: Option | None, terms: Terms) -> PriceVerdict | None:
    """The cheapest of the rows, against the best row of another way; None without an exact row.

    own: the cheapest way to own, for the price of a server at which it costs what the best other way does. Model
    error moves own and rented nodes together (one engine, one speed model), and tokens not at all.
    """
    exact = sorted((row for row in rows if row.exact), key=lambda row: row.usd_per_month)
    if not exact:
        return None
    winner = exact[0]
    others = [row for row in exact if row.way != winner.way]
    clear = all(row.low_usd_per_month > winner.high_usd_per_month for row in rows if row.way != winner.way)
    rival = next((row for row in exact if row.way != "own"), None)
    below = _own_threshold(own, rival, terms) if own is not None and rival is not None else None
    hourly = None
    if winner.way == "rent" and winner.price_assumed and others and winner.nodes:
        hourly = others[0].usd_per_month / winner.nodes / terms.hours_per_month
    return PriceVerdict(scope, winner, others[0] if others else None, clear, below, hourly)


def _own_threshold(own: Option, rival: PriceRow, terms: Terms) -> tuple[float, float, float]:
    load, point = terms.load_per_s, own.fleet.point
    ends = ((1.0, rival.usd_per_month), (point.error_low_factor, rival.high_usd_per_month))
    ends = (*ends, (point.error_high_factor, rival.low_usd_per_month))
    middle, *rest = (own.price_that_costs(load, usd, factor) for factor, usd in ends)
    return middle, min(middle, *rest), max(middle, *rest)


def conventions_of(question: PriceQuestion, terms: Terms, ground: Ground | None, over: Overheads) -> Iterator[str]:
    """What every figure of the answer rests on, in sentences."""
    yield (
        f"Convention {question.convention}: the service runs {terms.hours_per_month:g} hours a month; on-demand rent "
        f"is paid for those, commitments for {terms.held_hours_per_month:g}. Mean load is {terms.load_factor:g} of "
        "the peak."
    )
    yield (
        f"Own: annuity over {terms.life_years:g} years at {terms.rate:.1%} a year, paid monthly, nothing left at the "
        f"end; network {over.network_share:.0%}, spares {over.spares_share:.0%} and storage "
        f"USD {over.storage_usd_per_node:,.0f} a node on top; maintenance {over.maintenance_per_year_rate:.0%} and "
        f"software USD {over.software_usd_per_gpu_year:,.0f} an accelerator a year (assumed: {over.source.who}). "
        "No duty, no tax."
    )
    staff = f"USD {terms.staff_usd_per_month:,.0f} a month (as asked)" if terms.staff_usd_per_month else "none counted"
    yield f"Staff: {staff}. Work on rented nodes or APIs is not counted either."
    if ground is not None:
        yield _ground_text(ground)
    yield (
        "Replicas: the staffing curve of the planner at the service level, whole nodes, no node held spare. Band: "
        "the 90 % interval of the speed model's capacity, with the low and high end of the price; no calibration on "
        "your engine."
    )
    yield "Tokens: list prices; a provider's latency, format and ground are not known, so it promises no service level."
    yield "Rent: list prices before tax and egress; spot is left out, for it can be taken away."


def _ground_text(ground: Ground) -> str:
    housing = ground.costs.housing
    return (
        f"Energy: {ground.tariff.name}, mean USD {ground.energy_usd_per_kwh:.4f} per kWh over all hours; demand charge "
        f"USD {ground.tariff.demand_charge_usd_per_kw_month:.2f} per kW and month on the peak x "
        f"{housing.intra_bucket_peak_factor:g}; PUE {housing.pue:g}; space USD {housing.space_usd_per_kw_month:,.0f} "
        f"per kW and month on the maximum draw (assumed: {housing.source.who}). Nodes draw nothing outside the hours."
    )
