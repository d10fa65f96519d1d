"""Whether a server is fast and large enough for a workload, and what would make it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import log

from groundplan.catalog import Server
from groundplan.errors import GroundplanError
from groundplan.perf import OperatingPoint, Points, Refusal, StaffingCache, operating_points, staffing
from groundplan.policy import export as judge_export
from groundplan.problem import Change, first_day, latency_room, planned, rounded_up
from groundplan.spec import AnyWorkload, Served, ServedWorkload, Site, StreamWorkload
from groundplan.study._obstacles import ASSUMED_RTT_MS, Ask, Lift, Obstacle

FORMATS = ("bf16", "fp8", "int8", "fp4")
BEYOND = 1e5
"""A level that everything meets [ms]."""
CLOSE = 1.03
STEP = 1.25
STEPS = 12
FEW = 0.5
"""Load, in replicas' worth, of one or two replicas."""
MOST_SERVERS = 3


@dataclass
class Bench:
    """Answers already worked out for one load: a server stands at several sites."""

    ask: Ask
    known: dict[tuple[str, str, float, bool], tuple[Refusal, ...]] = field(default_factory=dict)
    bare: dict[str, dict[str, float]] = field(default_factory=dict)

    def points(self, workload: AnyWorkload, server: Server) -> Points:
        """Operating points at the speed at which the load is planned."""
        deviations = self.ask.problem.speed_deviations.get(workload.id, 0.0)
        return planned(operating_points(workload, server, self.ask.catalog), deviations)

    def refusals(
        self, workload: AnyWorkload, server: Server, network_ms: float, *, whole: bool = False
    ) -> tuple[Refusal, ...]:
        """Why no operating point serves the workload there; empty where one does.

        `whole`: with pools as large as the load may want; else one or two replicas must do, which is found sooner.
        """
        key = (workload.model_dump_json(), server.id, network_ms, whole)
        if key not in self.known:
            self.known[key] = tuple(self._refusals(workload, server, network_ms, whole))
        return self.known[key]

    def _refusals(self, workload: AnyWorkload, server: Server, network_ms: float, whole: bool) -> Iterator[Refusal]:
        found = self.points(workload, server)
        if not isinstance(workload, Served):
            yield from () if found.points else found.refusals or (Refusal("kind", "no operating point"),)
            return
        cache, missed = StaffingCache(), list(found.refusals)
        for point in found.points:
            load = max(self.ask.peak_per_s, 1e-9) / point.capacity_per_s if whole else FEW
            missed_by = _missed(workload, point, network_ms, load, cache)
            if missed_by is None:
                return
            missed.append(missed_by)
        yield from missed or [Refusal("kind", "no operating point")]

    def unloaded(self, workload: AnyWorkload, server: Server) -> bool:
        """Whether one unit alone is served in time, network left out: quick, and needed for all else."""
        found = self.points(workload, server).points
        return bool(found) and (
            not isinstance(workload, Served) or any(latency_room(workload, point, 0.0) >= 1.0 for point in found)
        )


def _missed(
    workload: AnyWorkload, point: OperatingPoint, network_ms: float, load: float, cache: StaffingCache
) -> Refusal | None:
    """Why no pool of replicas meets the level; a level so tight that no load at all can be tried is missed too."""
    try:
        curve = staffing(workload, point, network_ms, load, cache)
    except GroundplanError as error:
        return Refusal("latency", f"{point.id}: {error}")
    return curve if isinstance(curve, Refusal) else None


def speed(bench: Bench, site: Site, server: Server, way_ms: float | None) -> Iterator[Obstacle]:
    """The one obstacle of speed, memory or format on a server, if any, classed by what would lift it."""
    ask = bench.ask
    workload, network_ms = ask.workload, ASSUMED_RTT_MS if way_ms is None else way_ms
    reasons = bench.refusals(workload, server, network_ms, whole=True)
    if not reasons:
        return
    options: list[Callable[[], list[Lift]]] = []
    kind = str(reasons[0].rule)
    if isinstance(workload, ServedWorkload) and kind not in ("kind", "missing-figure"):
        if _levels_that_help(bench, server):
            options.append(partial(least_levels, bench, server, network_ms))
            kind = "latency" if any(r.rule in ("latency", "chunk") for r in reasons) else kind
        options.insert(len(options) if kind == "latency" else 0, partial(_formats, bench, server, network_ms))
    if kind in ("memory", "format"):
        options.append(partial(larger, bench, site, server, network_ms))
    why = next((r.why for r in reasons if r.rule == kind), reasons[0].why)
    path = ("workloads", ask.index, "service_level" if kind == "latency" else "model")
    levels = _bare_levels(bench, server) if kind == "latency" else {}
    burden = sum(log(max(value / _stated(bench, name), 1.0)) for name, value in levels.items())
    lifts = partial(_all_of, options)
    yield Obstacle(kind, ask.workload.id, why, lifts, path, burden)


def _all_of(options: Sequence[Callable[[], list[Lift]]]) -> list[Lift]:
    return [lift for option in options for lift in option()]


def _with_level(workload: AnyWorkload, level: Mapping[str, float]) -> AnyWorkload:
    stated = workload.service_level.model_copy(update=dict(level))  # type: ignore[union-attr]
    return workload.model_copy(update={"service_level": stated})


def _names(workload: AnyWorkload) -> tuple[str, ...]:
    return ("ttft_ms", "tpot_ms") if workload.kind == "llm" else ("latency_ms",)


def _levels_that_help(bench: Bench, server: Server) -> tuple[str, ...]:
    """Service levels whose slackening alone, or together, makes the server fast enough; empty: none does."""
    workload = bench.ask.workload
    names = _names(workload)
    for chosen in (*((name,) for name in names), names):
        if bench.unloaded(_with_level(workload, dict.fromkeys(chosen, BEYOND)), server):
            return chosen
    return ()


def _bare_levels(bench: Bench, server: Server) -> dict[str, float]:
    """The levels that one unit alone needs, network left out; empty where no level helps."""
    if server.id not in bench.bare:
        chosen = _levels_that_help(bench, server)
        eased = dict.fromkeys(chosen, BEYOND)
        for name in reversed(chosen):

            def alone(value: float, name: str = name) -> bool:
                return bench.unloaded(_with_level(bench.ask.workload, {**eased, name: value}), server)

            stated = _stated(bench, name)
            eased[name] = _bisected(alone, stated, _first(alone, stated, 2.0)) or BEYOND
        bench.bare[server.id] = eased
    return bench.bare[server.id]


def _stated(bench: Bench, name: str) -> float:
    return float(getattr(bench.ask.workload.service_level, name))  # type: ignore[union-attr]


def least_levels(bench: Bench, server: Server, network_ms: float) -> list[Lift]:
    """The tightest levels that the server meets, network included, to a few per cent and three digits."""
    bare = _bare_levels(bench, server)
    eased = dict.fromkeys(bare, BEYOND)
    for name in reversed(tuple(bare)):

        def meets(value: float, name: str = name) -> bool:
            level = _with_level(bench.ask.workload, {**eased, name: value})
            return not bench.refusals(level, server, network_ms)

        least = bare[name] + (0.0 if name == "tpot_ms" else network_ms)
        first = _first(meets, least, STEP)
        best = _bisected(meets, max(least, first / STEP), first) if first else None
        level = _first(meets, rounded_up(best), CLOSE) if best else None
        if level is None:
            return []
        eased[name] = level
    changes = tuple(_level_change(bench.ask, name, value) for name, value in eased.items())
    words = " and ".join(f"{name.removesuffix('_ms').upper()} {value:,.10g} ms" for name, value in eased.items())
    return [Lift("latency", words, changes, next(iter(eased.values())) if len(eased) == 1 else None, "ms")]


def _first(holds: Callable[[float], bool], value: float, factor: float) -> float | None:
    """The first of value, value x factor ... that holds."""
    for _ in range(STEPS):
        if holds(value):
            return rounded_up(value)
        value *= factor
    return None


def _bisected(holds: Callable[[float], bool], low: float, high: float | None) -> float | None:
    """The least value that holds, to a few per cent; `high` holds, `low` does not or is as low as wanted."""
    while high is not None and high / low > CLOSE:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _level_change(ask: Ask, name: str, value: float) -> Change:
    old = getattr(ask.workload.service_level, name)  # type: ignore[union-attr]
    field = f"workloads[{ask.workload.id}].service_level.{name}"
    return Change(path=("workloads", ask.index, "service_level", name), field=field, old=old, new=value)


def _formats(bench: Bench, server: Server, network_ms: float) -> list[Lift]:
    """Number formats that would do, beside those that are allowed."""
    ask, workload = bench.ask, bench.ask.workload
    if isinstance(workload, StreamWorkload):
        return []
    found = []
    for name in FORMATS:
        allowed = [*workload.allowed_precisions, name]
        other = workload.model_copy(update={"allowed_precisions": tuple(allowed)})
        if name not in workload.allowed_precisions and not bench.refusals(other, server, network_ms):
            field, path = f"workloads[{workload.id}].allowed_precisions", ("workloads", ask.index, "allowed_precisions")
            change = Change(path=path, field=field, old=list(workload.allowed_precisions), new=allowed)
            found.append(Lift("format", f"allow {name}, which fits {server.id}", (change,)))
    return found


def larger(bench: Bench, site: Site, server: Server, network_ms: float) -> list[Lift]:
    """Servers of the catalogue that would do in the same place, those with the least memory first."""
    ask = bench.ask
    have = _memory_gb(ask, server)
    day = first_day(ask.problem.calendar, 0)
    others = sorted(ask.catalog.servers.rows, key=lambda row: (_memory_gb(ask, row), row.accelerators_count, row.id))
    found: list[Lift] = []
    for other in others:
        if len(found) == MOST_SERVERS or not (_memory_gb(ask, other) > have and _complete(other)):
            continue
        part = ask.catalog.accelerator(other.accelerator or "")
        legal = judge_export(part, site=site, on=day, held_permits=ask.factory.held_permits).allowed
        if legal and _fits(ask, site, other) and _does(bench, other, network_ms):
            found += _offer(ask, site, server, other, have)
    return found


def _does(bench: Bench, server: Server, network_ms: float) -> bool:
    try:
        return not bench.refusals(bench.ask.workload, server, network_ms)
    except GroundplanError:
        return False


def _memory_gb(ask: Ask, server: Server) -> float:
    if server.accelerator is None:
        return 0.0
    return ask.catalog.accelerator(server.accelerator).memory_gb or 0.0


def _complete(server: Server) -> bool:
    needed = ("max_power_kw", "idle_power_kw", "racks_share", "life_years", "annual_failure_rate")
    liquid = server.cooling != "liquid" or server.liquid_heat_share is not None
    return liquid and all(getattr(server, name) is not None for name in needed)


def _fits(ask: Ask, site: Site, server: Server) -> bool:
    """Whether a rack of the site can hold one; anything fits a cloud."""
    density = (server.max_power_kw or 0.0) / max(1.0, server.racks_share or 0.0)
    return site.hosting is None or density <= site.hosting.rack_limit_kw


def _offer(ask: Ask, site: Site, old: Server, new: Server, have_gb: float) -> list[Lift]:
    """The offer of the smaller server, copied for the larger one: its price is for the user to ask."""
    text = f"{new.id} at {site.id}: {_memory_gb(ask, new):g} GB an accelerator instead of {have_gb:g} (ask for a quote)"
    source = {"who": "placeholder: the price of a smaller server", "kind": "assumed", "confidence": "low"}
    for table in ("purchases", "rentals"):
        for offer in getattr(ask.factory, table):
            places = offer.sites if table == "purchases" else (offer.site,)
            priced = table == "purchases" or offer.price_usd_per_node_hour is not None
            if site.id in places and priced and ask.catalog.server(offer.server).id == old.id:
                values = offer.model_dump(mode="json", exclude_unset=True)
                values |= {"id": f"{offer.id}-larger", "server": new.id, "source": source}
                values |= {"sites": [site.id]} if table == "purchases" else {}
                change = Change(path=(table, "+"), field=table, old=None, new=values)
                return [Lift("memory", text, (change,), _memory_gb(ask, new), "GB")]
    return []
