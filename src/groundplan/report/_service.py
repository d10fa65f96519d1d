"""What each workload asks for and gets, and how much room its staffing leaves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import exp, inf, sqrt

from groundplan.perf import ANCHORED_FACTOR, SpeedPool, deviation, joint_probability, shared_deviations
from groundplan.plan import PEAK, PointRow, ReplicaRow, StaffingRow
from groundplan.report._facts import Facts
from groundplan.report._html import Html, join, table, tag, verdict, warning
from groundplan.report._words import SPACE, count, figure, percent, whole
from groundplan.spec import (
    DEFAULT_CONFIDENCE_SHARE,
    AnyWorkload,
    ControlWorkload,
    LlmWorkload,
    PretrainWorkload,
    StreamWorkload,
    VisionWorkload,
)

LEAST_CHANCE = 0.01
"""Less is not told apart: the tail of the errors is not known so well."""
# What the plan provides, no more: a token API is the provider's to keep up.
KEPT = {
    "none": "",
    "node": ", survives the loss of a node where it has nodes",
    "site": ", survives the loss of a node where it has nodes, and of a site at {share} of the peak it serves",
}


def workloads(facts: Facts) -> tuple[str, Html]:
    """Title and body: demands, service levels, predicted latencies."""
    required = sum(workload.required for workload in facts.factory.workloads)
    title = f"{count(len(facts.factory.workloads), 'workload').capitalize()}, {required} of them required"
    shed = _shed(facts)
    title += f"; load of {count(len(shed), 'workload')} is shed" if shed else "; no load is shed"
    rows = [
        [
            tag("span", w.title, tag("br"), tag("small", f"{w.id}, {w.kind}")),
            _importance(w),
            _level(w),
            _latency(facts, w),
            _interval(facts, w),
            _served(facts, w, shed),
        ]
        for w in facts.factory.workloads
    ]
    caption = (
        "Latency is the worst of the cells in use, before queueing; queueing is in the staffing rule below. "
        "The interval is that of the predicted speed."
    )
    heads = ["Workload", "Importance", "Service level", "Predicted", "90 % interval of speed", "Load shed at peak"]
    return title, table(caption, heads, rows)


def _importance(workload: AnyWorkload) -> str:
    kept = KEPT[workload.survives].format(share=percent(workload.failover_share))
    return f"{'required' if workload.required else 'may be shed'}, priority {workload.priority}" + kept


def _level(workload: AnyWorkload) -> str:
    if isinstance(workload, LlmWorkload):
        level = workload.service_level
        return (f"TTFT {level.ttft_ms:,g}{SPACE}ms, TPOT {level.tpot_ms:g}{SPACE}ms, "
                f"p{100 * level.percentile:g}")  # fmt: skip
    if isinstance(workload, ControlWorkload | VisionWorkload | StreamWorkload):
        level_ = workload.service_level
        return f"{level_.latency_ms:,g}{SPACE}ms, p{100 * level_.percentile:g}"
    if isinstance(workload, PretrainWorkload):
        return "done " + "; ".join(f"before {demand.due_month}" for demand in workload.demand)
    return "done within each period"


def _cells(facts: Facts, workload: AnyWorkload) -> list[tuple[PointRow, float]]:
    """Points in use with the network share of their latency."""
    keys = {(r.point, r.origin, r.site) for r in facts.plan.replicas if r.workload == workload.id and r.replicas}
    return [(facts.points[key[0]], facts.staffing[key].network_ms) for key in sorted(keys) if key in facts.staffing]


def _latency(facts: Facts, workload: AnyWorkload) -> str:
    cells = _cells(facts, workload)
    parts = []
    for name, label, has_network in (("ttft", "TTFT ", True), ("tpot", "TPOT ", False), ("latency", "", True)):
        found = [point.latency_ms[name] + network * has_network for point, network in cells if name in point.latency_ms]
        if found:
            parts.append(f"{label}{figure(max(found))}{SPACE}ms")
    tokens = {row.offer for row in facts.plan.tokens if row.workload == workload.id}
    parts += [f"{name}: TTFT {facts.token_offers[name].ttft_ms:,g}{SPACE}ms as quoted" for name in sorted(tokens)]
    return ", ".join(parts)


def _interval(facts: Facts, workload: AnyWorkload) -> str:
    points = [point for point, _ in _cells(facts, workload)]
    points += [facts.points[row.point] for row in facts.plan.batch if row.workload == workload.id]
    if not points:
        return ""
    low, high = min(p.error_low_factor for p in points), max(p.error_high_factor for p in points)
    return f"×{SPACE}{low:.2f}–{high:.2f}" if low < high else "as the file states it"


def _shed(facts: Facts) -> dict[str, float]:
    """Largest load shed at the design peak, units per second; workloads that shed anything, in any bucket."""
    found: dict[str, float] = defaultdict(float)
    for row in facts.plan.shed:
        found[row.workload] = max(found[row.workload], row.units_per_s)
    return {workload: load for workload, load in found.items() if load > 0}


def _served(facts: Facts, workload: AnyWorkload, shed: dict[str, float]) -> Html | str:
    if workload.id not in shed:
        return "none"
    served: dict[tuple[str, str], float] = defaultdict(float)
    missed: dict[tuple[str, str], float] = defaultdict(float)
    for row in (*facts.plan.loads, *facts.plan.tokens):
        if row.workload == workload.id and row.bucket == PEAK:
            served[row.origin, row.period] += row.units_per_s
    for lost in facts.plan.shed:
        if lost.workload == workload.id and lost.bucket == PEAK:
            missed[lost.origin, lost.period] += lost.units_per_s
    worst = max((load / (load + served[key]) for key, load in missed.items() if load), default=0.0)
    return warning(f"up to {percent(worst)}") if worst else "none at the peak, some in other hours"


@dataclass(frozen=True, slots=True)
class Margin:
    """A cell in the period in which it has least to spare."""

    row: ReplicaRow
    load: float
    """In replicas' worth."""
    needed: float
    needed_low: float
    """Were the true capacity at the low end of its interval."""

    @property
    def spare(self) -> float:
        return self.row.replicas - self.needed


def needed_replicas(staffing: StaffingRow, load: float) -> float:
    """Least replicas of the tangents that cover a load; infinite beyond all of them."""
    return min((t.alpha * load + t.beta for t in staffing.tangents if load <= t.load_max * (1 + 1e-9)), default=inf)


def tightest(facts: Facts) -> list[Margin]:
    """One margin for each cell in use: workload, origin, site, point."""
    found: dict[tuple[str, str, str, str], Margin] = {}
    for row in facts.plan.replicas:
        staffing = facts.staffing.get((row.point, row.origin, row.site))
        units = facts.peak_load.get((row.workload, row.origin, row.site, row.point, row.period), 0.0)
        if staffing is None or units <= 0:
            continue
        point = facts.points[row.point]
        load = units / point.capacity_per_s
        margin = Margin(
            row, load, needed_replicas(staffing, load), needed_replicas(staffing, load / point.error_low_factor)
        )
        key = row.workload, row.origin, row.site, row.point
        if key not in found or margin.spare < found[key].spare:
            found[key] = margin
    return [found[key] for key in sorted(found)]


def _speed_pools(facts: Facts, margins: list[Margin]) -> list[SpeedPool]:
    """What can be wrong about each pool; one operating point is one thing to be wrong about, wherever it runs."""
    found = []
    for margin in margins:
        point = facts.points[margin.row.point]
        part = facts.catalog.server(point.server).accelerator or point.server
        found.append(
            SpeedPool(part, point.engine, point.id, deviation(point.error_low_factor, point.error_high_factor))
        )
    return found


def together_share(facts: Facts, margins: list[Margin]) -> float:
    """Probability that every pool is at least as fast as its service level asks for."""
    least = [_least_speed(facts, margin) / _middle(facts, margin) for margin in margins]
    return joint_probability(_speed_pools(facts, margins), least)


def _middle(facts: Facts, margin: Margin) -> float:
    """Middle of the interval of a pool's speed, over the speed that is planned."""
    point = facts.points[margin.row.point]
    return sqrt(point.error_low_factor * point.error_high_factor)


def _least_speed(facts: Facts, margin: Margin) -> float:
    """Smallest true speed over the planned one at which the replicas still suffice."""
    curve = facts.staffing[margin.row.point, margin.row.origin, margin.row.site]
    slow, fast = 0.1, 4.0
    while fast / slow > 1.001:
        middle = sqrt(slow * fast)
        enough = needed_replicas(curve, margin.load / middle) <= margin.row.replicas * (1 + 1e-9)
        slow, fast = (slow, middle) if enough else (middle, fast)
    return fast


def _counted_on(facts: Facts, together: float) -> Html | str:
    share = facts.factory.speed_confidence_share
    if isinstance(share, str):
        return (
            f"The file asks for expected speeds. To hold together with {percent(DEFAULT_CONFIDENCE_SHARE)}, as is the "
            "default, pools would be planned at the share of the middle of their interval that the last column says."
        )
    asked = f"Speeds are planned below the middle of their interval so that all hold with {percent(share)}."
    if together >= share:
        return asked
    return join([asked, " ", warning("This plan spreads loads over more parts than was allowed for, and stays below.")])


def _safety(facts: Facts, margins: list[Margin]) -> tuple[str, list[str]]:
    """Head and cells of the column of how much slower pools are planned, or would be by default."""
    if not isinstance(facts.factory.speed_confidence_share, str):
        return "> Planned at", [f"{percent(1.0 / _middle(facts, margin))} of the middle" for margin in margins]
    pools = _speed_pools(facts, margins)
    back = shared_deviations(pools, DEFAULT_CONFIDENCE_SHARE)
    cells = []
    for margin, pool in zip(margins, pools, strict=True):
        cell = percent(exp(-back * pool.deviation))
        measured = exp(-back * deviation(1.0 / ANCHORED_FACTOR, ANCHORED_FACTOR))
        language = isinstance(facts.workloads[margin.row.workload], LlmWorkload)
        helps = language and measured > exp(-back * pool.deviation)
        cells.append(f"{cell}, {percent(measured)} once measured" if helps else cell)
    return f"> For {percent(DEFAULT_CONFIDENCE_SHARE)}", cells


def staffing(facts: Facts) -> tuple[str, Html]:
    """Title and body: replicas against what the staffing curves ask for."""
    margins = tightest(facts)
    if not margins:
        return "No served workload has replicas", tag("p", "Nothing that answers requests runs on nodes in this plan.")
    weak = [margin for margin in margins if margin.needed_low > margin.row.replicas]
    held = f"{len(margins) - len(weak)} of {count(len(margins), 'pool')}"
    together = together_share(facts, margins)
    chance = percent(together) if together >= LEAST_CHANCE else f"below {percent(LEAST_CHANCE)}"
    title = f"All service levels hold together with probability {chance}"
    head, safety = _safety(facts, margins)
    rows = [[*_margin_cells(facts, m), cell] for m, cell in zip(margins, safety, strict=True)]
    caption = (
        "Each pool in the period in which it has least to spare, at the design peak. Load in replicas' worth; "
        "needed by the staffing curves of the plan file for the service level, network and queueing included. "
        f"{held} would hold even at the slow end of their own interval. The probability that all do draws errors of "
        "the speed model together: pools that share an accelerator or an engine are wrong together. "
    )
    heads = [
        "Workload",
        "Pool",
        "Tightest in",
        "> Replicas",
        "> Load",
        "> Needed",
        "> Busy",
        "If speed is at the slow end",
        head,
    ]
    return title, table(join([caption, _counted_on(facts, together)]), heads, rows, wide=True)


def _margin_cells(facts: Facts, m: Margin) -> list[object]:
    return [
        tag("span", facts.workloads[m.row.workload].title, tag("br"), tag("small", f"from {m.row.origin}")),
        f"{m.row.server}, {m.row.site}",
        facts.label(m.row.period),
        whole(m.row.replicas),
        f"{m.load:.2f}",
        f"{m.needed:.2f}",
        percent(m.load / m.row.replicas) if m.row.replicas else "",
        _holds(m),
    ]


def _holds(margin: Margin) -> Html:
    if margin.needed_low <= margin.row.replicas:
        return verdict(True, "holds")
    if margin.needed_low == inf:
        return warning("beyond the staffing table")
    return warning(join([f"needs {margin.needed_low:.2f}"]))
