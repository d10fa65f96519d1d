"""What is served: demand, replicas, loss of a site, token APIs, links, the share on own ground."""

from __future__ import annotations

from collections import defaultdict

from groundplan.plan import PEAK, FailoverRow, LoadRow, StaffingRow, TokenRow
from groundplan.spec import ON_PREMISE_TIERS, Link, LlmWorkload, Served, TokenOffer
from groundplan.verify._book import Book
from groundplan.verify._money import link_uses
from groundplan.verify._world import Commodity, Span, World

CellKey = tuple[str, str, str, str, str]
"""Workload, origin, site, point, period."""
LEAST_REPLICAS = {"none": 1, "node": 2, "site": 2}


def _cell(row: LoadRow | FailoverRow) -> CellKey:
    return row.workload, row.origin, row.site, row.point, row.period


def demand(world: World, book: Book) -> None:
    """Served + tokens + shed cover the load of each bucket; nothing is served that nobody asks for."""
    shed = {(row.workload, row.origin, row.period, row.bucket): row.units_per_s for row in world.plan.shed}
    for commodity in world.commodities:
        name = "@".join(commodity)
        for span in world.spans:
            for bucket in (*world.plan.buckets, PEAK):
                asked, served = world.load(commodity, span, bucket), world.served(commodity, span, bucket)
                dropped = shed.get((*commodity, span.id, bucket), 0.0)
                where = f"loads: {name} {span.id} {bucket}"
                book.at_least(served + dropped, asked, where, "units/s served or shed")
                if bucket != PEAK or asked == 0:
                    book.at_most(served, asked, where, "units/s served over what is asked for")
            _shed_at_peak(world, book, commodity, span, shed)
    for index, row in enumerate(world.plan.shed):
        kept = row.units_per_s == 0 or not world.workloads[row.workload].required
        book.require(kept, f"shed[{index}]", f"{row.workload} is required and may not be shed")


def _shed_at_peak(
    world: World, book: Book, commodity: tuple[str, str], span: Span, shed: dict[tuple[str, str, str, str], float]
) -> None:
    """The peak has no hours, so shedding there is free: its share may not exceed that of the period's volume."""
    at_peak = shed.get((*commodity, span.id, PEAK), 0.0)
    hours = {bucket: world.hours(span, bucket) for bucket in world.plan.buckets}
    volume = sum(world.load(commodity, span, bucket) * h for bucket, h in hours.items())
    if at_peak > 0 and volume > 0:
        dropped = sum(shed.get((*commodity, span.id, bucket), 0.0) * h for bucket, h in hours.items())
        limit = world.load(commodity, span, PEAK) * dropped / volume
        book.at_most(at_peak, limit, f"shed: {'@'.join(commodity)} {span.id} {PEAK}", "units/s shed at the peak")


def _needs(world: World) -> dict[CellKey, float]:
    """Largest load of each cell in units/s, intact or after the loss of a site."""
    needs: dict[CellKey, float] = defaultdict(float)
    for row in (*world.plan.loads, *world.plan.failovers):
        needs[_cell(row)] = max(needs[_cell(row)], row.units_per_s)
    return needs


def capacity(world: World, book: Book) -> None:
    """Replicas reach alpha R + beta of a tangent that covers R, in each bucket and after the loss of a site."""
    staffing = {(row.point, row.origin, row.site): row for row in world.plan.staffing}
    replicas = _replicas(world)
    for cell, units_per_s in _needs(world).items():
        _, origin, site, point, _ = cell
        load = units_per_s / world.points[point].capacity_per_s
        if load == 0:
            continue
        needed, where = _staffed(staffing[point, origin, site], load), "replicas: " + " ".join(cell)
        if book.require(needed is not None, where, f"no tangent covers a load of {load:.9g} replicas"):
            book.at_least(replicas.get(cell, 0), needed or 0.0, where, "replicas under the staffing curve")


def _staffed(row: StaffingRow, load: float) -> float | None:
    """Least replicas over the tangents that cover the load; None where none does."""
    reach = 1 + 1e-6
    return min((t.alpha * load + t.beta for t in row.tangents if load <= t.load_max * reach), default=None)


def _replicas(world: World) -> dict[CellKey, int]:
    return {(r.workload, r.origin, r.site, r.point, r.period): r.replicas for r in world.plan.replicas}


def replicas(world: World, book: Book) -> None:
    """An open cell has at least one replica, two where the workload survives a loss."""
    counts = _replicas(world)
    used = {cell for cell, units_per_s in _needs(world).items() if units_per_s > 0}
    for cell in sorted(used | {cell for cell, count in counts.items() if count}):
        least, count = LEAST_REPLICAS[world.workloads[cell[0]].survives], counts.get(cell, 0)
        book.require(count >= least, "replicas: " + " ".join(cell), f"{count} replicas, at least {least}")


def failover(world: World, book: Book) -> None:
    """After the loss of any site that serves it, the others carry the stated share of the peak that is served."""
    for index, row in enumerate(world.plan.failovers):
        book.require(row.site != row.lost_site, f"failovers[{index}]", f"{row.site} is the site that is lost")
    for commodity in world.commodities:
        workload = world.workloads[commodity[0]]
        if workload.survives == "site":
            for span in world.spans:
                asked, served = world.load(commodity, span, PEAK), world.served(commodity, span, PEAK)
                needed = workload.failover_share * min(asked, served)
                for lost in sorted(_serving_sites(world, commodity, span)):
                    where = f"failovers: {'@'.join(commodity)} {span.id}"
                    carried = _carried(world, commodity, span, lost)
                    book.at_least(carried, needed, where, f"units/s after the loss of {lost}")


def _serving_sites(world: World, commodity: Commodity, span: Span) -> set[str]:
    key = (*commodity, span.id, PEAK)
    own = {r.site for r in world.plan.loads if (r.workload, r.origin, r.period, r.bucket) == key and r.units_per_s}
    sold = {r.offer for r in world.plan.tokens if (r.workload, r.origin, r.period, r.bucket) == key and r.units_per_s}
    return own | {world.token_offers[offer].site for offer in sold}


def _carried(world: World, commodity: Commodity, span: Span, lost: str) -> float:
    """Units per second that nodes elsewhere carry; a token API is not counted."""
    key = (*commodity, span.id, lost)
    rows = (row for row in world.plan.failovers if (row.workload, row.origin, row.period, row.lost_site) == key)
    return sum(row.units_per_s for row in rows if row.site != lost)


def tokens(world: World, book: Book) -> None:
    """An API serves the workloads it names, within its quota and, as quoted and with the network, in time."""
    used: dict[tuple[str, str, str], float] = defaultdict(float)
    for index, row in enumerate(world.plan.tokens):
        offer, where = world.token_offers[row.offer], f"tokens[{index}]"
        used[row.offer, row.period, row.bucket] += row.units_per_s
        book.require(row.workload in offer.workloads, where, f"{row.offer} does not name {row.workload}")
        _quoted(world, book, where, offer, (row.workload, row.origin))
    for (name, period, bucket), units_per_s in used.items():
        limit = world.token_offers[name].quota_requests_per_s
        book.at_most(units_per_s, limit, f"tokens: {name} {period} {bucket}", "requests/s over the quota")


def _quoted(world: World, book: Book, where: str, offer: TokenOffer, commodity: Commodity) -> None:
    workload = world.workloads[commodity[0]]
    if not isinstance(workload, LlmWorkload):
        book.require(False, where, f"{workload.id} has no tokens to buy")
        return
    network = world.network_ms(workload, commodity[1], offer.site)
    if network is None:
        book.require(False, where, f"no link leads from {commodity[1]} to {offer.site}")
        return
    level = workload.service_level
    book.at_most(offer.ttft_ms + network, level.ttft_ms, where, "quoted TTFT ms with the network")
    book.at_most(offer.tpot_ms, level.tpot_ms, where, "quoted TPOT ms")


def bandwidth(world: World, book: Book) -> None:
    """Traffic of each direction of a link, in each bucket and at the peak."""
    traffic: dict[tuple[str, str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    rows = [(row, row.site) for row in world.plan.loads]
    rows += [(row, world.token_offers[row.offer].site) for row in world.plan.tokens]
    for row, site in rows:
        _add(world, traffic[row.origin, site, row.period, row.bucket], row)
    for (origin, site, period, bucket), (up, down) in traffic.items():
        if (link := world.links.get((origin, site))) is not None:
            where = f"link {origin} -> {site} {period} {bucket}"
            book.at_most(up, _share_mbit_per_s(link), where, "Mbit/s up")
            book.at_most(down, _share_mbit_per_s(link), where, "Mbit/s down")
    _bandwidth_after_loss(world, book)


def _bandwidth_after_loss(world: World, book: Book) -> None:
    """At the design peak with one site lost: what the others carry instead, beside what they carry anyway."""
    moved = {(row.lost_site, row.period, row.workload, row.origin) for row in world.plan.failovers}
    traffic: dict[tuple[str, str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in world.plan.failovers:
        _add(world, traffic[row.lost_site, row.origin, row.site, row.period], row)
    peaks = [(row, row.site) for row in world.plan.loads if row.bucket == PEAK]
    peaks += [(row, world.token_offers[row.offer].site) for row in world.plan.tokens if row.bucket == PEAK]
    for lost, origin, site, period in list(traffic):
        for row, at in peaks:
            stays = (lost, period, row.workload, row.origin) not in moved
            if stays and (row.origin, at, row.period) == (origin, site, period):
                _add(world, traffic[lost, origin, site, period], row)
    for (lost, origin, site, period), mbit in traffic.items():
        if (link := world.links.get((origin, site))) is not None:
            for direction, value in zip(("up", "down"), mbit, strict=True):
                where = f"link {origin} -> {site} {period} without {lost}"
                book.at_most(value, _share_mbit_per_s(link), where, f"Mbit/s {direction}")


def _add(world: World, way: list[float], row: LoadRow | TokenRow | FailoverRow) -> None:
    """Add the traffic of a row, both directions, in Mbit/s."""
    workload = world.workloads[row.workload]
    if isinstance(workload, Served):
        way[0] += row.units_per_s * 8 * workload.upload_kb_per_unit / 1000
        way[1] += row.units_per_s * 8 * workload.download_kb_per_unit / 1000


def _share_mbit_per_s(link: Link) -> float:
    return link.max_load_share * link.bandwidth_mbit_per_s


def links(world: World, book: Book) -> None:
    """A link is in use, and paid for, from its first load to the end of the plan."""
    due = {(*way, span.id) for way, first in link_uses(world).items() for span in world.spans[first.index :]}
    stated = {(row.origin, row.site, row.period) for row in world.plan.links}
    for origin, site, period in sorted(due ^ stated):
        what = "is in use but not listed" if (origin, site, period) in due else "is listed but not in use"
        book.require(False, f"links: {origin} -> {site} {period}", what)


def on_premise(world: World, book: Book) -> None:
    """The stated share of a workload runs on ground you control: by bucket where served, by period where batched."""
    for floor in world.factory.on_premise_floors:
        for name in floor.workloads:
            for span in world.spans:
                for bucket in (*world.plan.buckets, PEAK):
                    here, all_of_it = _shares(world, name, span, bucket)
                    where = f"{name} {span.id} {bucket}"
                    book.at_least(here, floor.min_share * all_of_it, where, "units/s on own ground")
                here, all_of_it = _gang_shares(world, name, span)
                book.at_least(here, floor.min_share * all_of_it, f"{name} {span.id}", "work on own ground")


def _controlled(world: World, site: str) -> bool:
    return world.sites[site].tier in ON_PREMISE_TIERS


def _shares(world: World, workload: str, span: Span, bucket: str) -> tuple[float, float]:
    key = (workload, span.id, bucket)
    rows = [r for r in world.plan.loads if (r.workload, r.period, r.bucket) == key]
    sold = sum(r.units_per_s for r in world.plan.tokens if (r.workload, r.period, r.bucket) == key)
    here = sum(row.units_per_s for row in rows if _controlled(world, row.site))
    return here, sold + sum(row.units_per_s for row in rows)


def _gang_shares(world: World, workload: str, span: Span) -> tuple[float, float]:
    rows = [row for row in world.plan.batch if (row.workload, row.period) == (workload, span.id)]
    work = [(world.points[row.point].capacity_per_s * row.gang_hours, row.site) for row in rows]
    return sum(units for units, site in work if _controlled(world, site)), sum(units for units, _ in work)
