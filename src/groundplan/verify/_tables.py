"""The plan file against the file and catalogue it names: hashes, references, tables of points and staffing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundplan.catalog import Accelerator
from groundplan.plan import PEAK, PointRow, StaffingRow
from groundplan.spec import AnalyticsWorkload, Batch, FinetuneWorkload, LlmWorkload, PretrainWorkload, Served
from groundplan.spec import Strict as Row
from groundplan.verify._book import Book
from groundplan.verify._world import World

KEYS: Mapping[str, tuple[str, ...]] = {
    "points": ("id",),
    "staffing": ("point", "origin", "site"),
    "orders": ("offer", "site", "period"),
    "blocks": ("site", "block", "period"),
    "moves": ("existing", "to", "period"),
    "retirements": ("existing", "site", "period"),
    "rents": ("offer", "period"),
    "bursts": ("offer", "period", "bucket"),
    "replicas": ("workload", "origin", "site", "server", "point", "period"),
    "loads": ("workload", "origin", "site", "server", "point", "period", "bucket"),
    "failovers": ("workload", "origin", "lost_site", "site", "server", "point", "period"),
    "tokens": ("offer", "workload", "origin", "period", "bucket"),
    "shed": ("workload", "origin", "period", "bucket"),
    "batch": ("workload", "origin", "site", "server", "point", "period", "bucket"),
    "staff": ("site", "period"),
    "peaks": ("site", "period"),
    "links": ("origin", "site", "period"),
}
"""Fields that name a row of each list."""
GIB = 1.073741824
"""GB of one GiB: the nominal size of a memory is in GiB, whatever the data sheet writes."""
PRINTED = 1e-4
"""Relative slack of figures that are rounded for print before they are summed."""
OFFERS = {"orders": "purchase", "rents": "rental", "bursts": "rental", "tokens": "token offer"}
AMOUNTS = ("nodes", "count", "node_hours", "replicas", "units_per_s", "gang_hours", "fte", "billed_peak_kw")


def hash_(world: World, book: Book) -> None:
    """The plan speaks of this factory file and this catalogue."""
    plan = world.plan
    hint = "plan again: the plan was made from another input"
    book.require(plan.name == world.factory.name, "name", f"{plan.name!r} is not {world.factory.name!r}", hint)
    book.require(plan.spec_hash == world.spec_hash, "spec_hash", "the factory file is another one", hint)
    same = plan.catalog_hash == world.catalog.content_hash
    book.require(same, "catalog_hash", "the catalogue is another one", hint)


def tables(world: World, book: Book) -> None:
    """Every row names known things, once; no amount is negative; points and tangents are usable."""
    _periods(world, book)
    known = _known(world)
    for name, key in KEYS.items():
        seen: set[tuple[str, ...]] = set()
        for index, row in enumerate(getattr(world.plan, name)):
            where = f"{name}[{index}]"
            this = tuple(str(getattr(row, field)) for field in key)
            book.require(this not in seen, where, f"{' '.join(this)} stands twice")
            seen.add(this)
            _references(book, where, row, known, OFFERS.get(name, "offer"))
            for field in AMOUNTS:
                book.require(getattr(row, field, 0) >= 0, where, f"{field} is negative: {getattr(row, field, 0)}")
    for site, period in world.plan.opened.items():
        book.require(site in known["site"] and period in known["period"], f"opened.{site}", f"unknown: {period}")
    if not book.findings:
        _points(world, book)
        _cells(world, book)


def _periods(world: World, book: Book) -> None:
    rows = [(row.start_month_count, row.months_count, row.plan_year) for row in world.plan.periods]
    wanted = [(span.start, span.months, span.year) for span in world.spans]
    book.require(rows == wanted, "periods", f"{len(rows)} periods do not fit the {len(wanted)} of the file")
    names = [row.id for row in world.plan.periods]
    book.require(len(set(names)) == len(names), "periods", "two periods have one id")
    buckets = tuple(bucket.id for bucket in world.factory.buckets)
    book.require(world.plan.buckets == buckets, "buckets", f"{world.plan.buckets} instead of {buckets}")


def _known(world: World) -> dict[str, set[str]]:
    """Names that each field may hold."""
    factory, plan = world.factory, world.plan
    periods = {row.id for row in plan.periods}
    sites = set(world.sites)
    return {
        "period": periods,
        "arrives": periods,
        "usable_from": periods,
        "bucket": {*world.bucket_share},
        "site": sites,
        "to": sites,
        "lost_site": sites,
        "origin": sites | {zone.id for zone in factory.zones},
        "workload": set(world.workloads),
        "server": {row.id for row in world.catalog.servers.rows},
        "point": set(world.points),
        "existing": set(world.existing),
        "purchase": set(world.purchases),
        "rental": set(world.rentals),
        "token offer": set(world.token_offers),
        "block": {block.id for _, hosting in world.hosts for block in hosting.blocks},
    }


def _references(book: Book, where: str, row: Row, known: Mapping[str, set[str]], offer: str) -> None:
    for field in type(row).model_fields:
        kind = offer if field == "offer" else field
        if kind in known:
            value = getattr(row, field)
            book.require(value in known[kind], f"{where}.{field}", f"unknown {kind} {value!r}")


def _points(world: World, book: Book) -> None:
    for index, point in enumerate(world.plan.points):
        where, slots = f"points[{index}]", world.slots(point.server)
        book.require(point.capacity_per_s > 0, where, f"capacity_per_s is {point.capacity_per_s}")
        book.require(point.dynamic_kw >= 0, where, f"dynamic_kw is {point.dynamic_kw}")
        whole = point.nodes_per_replica == 1 or point.slots_per_replica == slots
        fits = 1 <= point.slots_per_replica <= slots and point.nodes_per_replica >= 1 and whole
        what = f"{point.nodes_per_replica} x {point.slots_per_replica} slots do not fit nodes of {slots}"
        book.require(fits, where, what)
        ordered = 0 < point.error_low_factor <= point.error_high_factor
        book.require(ordered, where, f"interval {point.error_low_factor}..{point.error_high_factor}")
    for index, row in enumerate(world.plan.staffing):
        for tangent in row.tangents:
            positive = tangent.alpha > 0 and tangent.beta >= 0 and tangent.load_max > 0
            book.require(positive, f"staffing[{index}]", f"no staffing curve has the tangent {tangent}")


def _cells(world: World, book: Book) -> None:
    """Rows of cells agree with their point, and served ones have a staffing row."""
    staffed = {(row.point, row.origin, row.site) for row in world.plan.staffing}
    for name in ("replicas", "loads", "failovers", "batch"):
        for index, row in enumerate(getattr(world.plan, name)):
            where, point, commodity = f"{name}[{index}]", world.points[row.point], (row.workload, row.origin)
            same = (point.workload, point.server) == (row.workload, row.server)
            book.require(same, where, f"point {point.id} is for {point.workload} on {point.server}")
            asked = world.jobs if name == "batch" else world.commodities
            book.require(commodity in asked, where, f"{row.workload} has no demand at {row.origin}")
            cell = (row.point, row.origin, row.site)
            book.require(name == "batch" or cell in staffed, where, "the cell has no staffing row")
    for name in ("tokens", "shed"):
        for index, row in enumerate(getattr(world.plan, name)):
            asked = (row.workload, row.origin) in world.commodities
            book.require(asked, f"{name}[{index}]", f"{row.workload} has no demand at {row.origin}")
    for name in ("batch", "bursts"):
        for index, row in enumerate(getattr(world.plan, name)):
            book.require(row.bucket != PEAK, f"{name}[{index}]", "the peak bucket has no hours")


def latency(world: World, book: Book) -> None:
    """The staffing of a used cell counts the network that its link has, and the unloaded answer is in time."""
    used = {(row.point, row.origin, row.site) for row in (*world.plan.loads, *world.plan.failovers)}
    for index, row in enumerate(world.plan.staffing):
        if (row.point, row.origin, row.site) in used:
            _cell_latency(world, book, f"staffing[{index}]", row)
    for index, gang in enumerate(world.plan.batch):
        workload = world.workloads[gang.workload]
        book.require(isinstance(workload, Batch), f"batch[{index}]", f"{gang.workload} is served, not batched")


def _cell_latency(world: World, book: Book, where: str, row: StaffingRow) -> None:
    point = world.points[row.point]
    workload = world.workloads[point.workload]
    if not book.require(isinstance(workload, Served), where, f"{point.workload} is not served"):
        return
    assert isinstance(workload, Served)
    network = world.network_ms(workload, row.origin, row.site)
    if network is None:
        book.require(False, where, f"no link leads from {row.origin} to {row.site}")
        return
    book.at_least(row.network_ms, network, where, "network_ms under the link's p99")
    for name, limit in _limits(workload):
        if name not in point.latency_ms:
            book.require(False, where, f"point {point.id} states no latency {name}")
            continue
        path = 0.0 if name == "tpot" else network
        book.at_most(point.latency_ms[name] + path, limit, where, f"unloaded {name} ms with the network")


def _limits(workload: Served) -> Iterator[tuple[str, float]]:
    if isinstance(workload, LlmWorkload):
        yield "ttft", workload.service_level.ttft_ms
        yield "tpot", workload.service_level.tpot_ms
    else:
        yield "latency", workload.service_level.latency_ms


def memory(world: World, book: Book) -> None:
    """What a replica keeps on an accelerator fits there."""
    for index, point in enumerate(world.plan.points):
        name = world.server(point.server).accelerator
        if name is None or point.id not in _used_points(world):
            continue
        where, parts = f"points[{index}]", point.memory_gb
        if not book.require({"total", "available"} <= parts.keys(), where, "memory_gb lacks total or available"):
            continue
        book.at_most(parts["total"], parts["available"], where, "GB on an accelerator")
        stated = sum(parts.get(part, 0.0) for part in ("weights", "kv", "activations", "reserve"))
        book.at_most(stated, parts["total"] * (1 + PRINTED), where, "GB of the parts over the total")
        if (size := world.catalog.accelerator(name).memory_gb) is not None:
            book.at_most(parts["available"], size * GIB, where, f"GB available on {name}")
        else:
            book.require(False, where, f"memory_gb of {name} is blank in the catalogue", "add the figure")


def format_(world: World, book: Book) -> None:
    """Weights run in the checkpoint's format or one that the file allows, on an accelerator that has it."""
    for index, point in enumerate(world.plan.points):
        name = world.server(point.server).accelerator
        if point.id in _used_points(world) and name is not None:
            allowed, where = _allowed_precisions(world, point), f"points[{index}]"
            what = f"precision {point.precision} is not one of {sorted(allowed)}"
            book.require(point.precision in allowed, where, what, "name it in allowed_precisions")
            what = f"{name} has no rate for {point.precision}"
            book.require(_has_rate(world.catalog.accelerator(name), point.precision), where, what)


def _allowed_precisions(world: World, point: PointRow) -> set[str]:
    """The checkpoint's own format, and those that the file allows beside it; training runs in bf16."""
    workload = world.workloads[point.workload]
    if isinstance(workload, FinetuneWorkload | PretrainWorkload):
        return {"bf16"}
    if isinstance(workload, AnalyticsWorkload):
        return {point.precision}
    return {*workload.allowed_precisions, world.catalog.model(workload.model).native_precision}


def _has_rate(chip: Accelerator, precision: str) -> bool:
    unit = "tops" if precision.startswith("int") else "tflops"
    return getattr(chip, f"dense_{precision}_{unit}", None) is not None


def _used_points(world: World) -> set[str]:
    plan = world.plan
    return {row.point for row in (*plan.replicas, *plan.loads, *plan.failovers, *plan.batch)}
