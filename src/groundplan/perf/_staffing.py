"""Replicas needed under a service level, network included: curves from the kernel, simulations shared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from groundplan.kernel import KernelError, LlmPool, QueuePool, SplitPool, StaffingCurve, staffing_curve
from groundplan.perf._control import latency_limit_ms
from groundplan.perf._types import EngineService, OperatingPoint, QueueService, Refusal, SplitService, wrong
from groundplan.spec import AnyWorkload, ControlWorkload, LlmWorkload, Served, StreamWorkload, VisionWorkload

NETWORK_GRID_MS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
POOLS = (1, 2, 3, 4, 8, 16, 32)
SEEDS = (1, 2, 3)
TOLERANCE = 0.02
TOP = 0.96
"""No pool is planned nearer to saturation than this, margin not counted: there a queue outlasts any busy hour."""
MARGIN = 0.06
"""Taken off every load found: near saturation queues of short runs look shorter than those of a day."""
PLANNING_ERRORS = 0.34
"""Standard errors added to a percentile: three estimates in a row lie this low with a chance of 5 %."""
LLM_REQUESTS = 6000
LLM_REQUESTS_PER_REPLICA = 300
QUEUE_REQUESTS = 20_000

Levels = tuple[tuple[float, float], ...]
"""(achieved [ms] without network, limit [ms]); the network adds to the first of them."""
Measure = Callable[[int, float, int], Levels]


@dataclass
class StaffingCache:
    """Simulations and curves already made, by point id: one cache serves one spec and one catalogue.

    A curve is a pure function of point, rounded network and range; the cache only saves time.
    """

    levels: dict[tuple[str, int, float, int], Levels] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    curves: dict[tuple[str, float, int], StaffingCurve | Refusal] = field(default_factory=dict)


def rounded_network_ms(network_ms: float) -> float:
    """The next grid value up (safe: a longer network only tightens); beyond the grid it doubles."""
    if not (math.isfinite(network_ms) and network_ms >= 0):
        raise wrong("staffing.network_ms", f"must be finite and not negative, is {network_ms}", "give milliseconds")
    if network_ms == 0:
        return 0.0
    last = NETWORK_GRID_MS[-1]
    inside = [value for value in NETWORK_GRID_MS if value >= network_ms]
    return inside[0] if inside else last * 2.0 ** math.ceil(math.log2(network_ms / last) - 1e-12)


def staffing(
    workload: AnyWorkload,
    point: OperatingPoint,
    network_ms: float,
    load_max: float,
    cache: StaffingCache | None = None,
) -> StaffingCurve | Refusal:
    """Replicas that a load needs so that the stated percentile meets the service level, round trip included.

    Load is demand / point.capacity_per_s, and the curve reaches load_max (its last tangent is open). network_ms, the
    p99 round trip, is rounded up to a small grid; it tightens TTFT or latency, not TPOT (tokens stream). Refused by
    rule `latency` when no pool meets the level, `kind` for batch work; PerfError for a negative or infinite figure.
    Fixed seeds: equal input, equal curve.
    """
    if point.service is None or not isinstance(workload, Served):
        return Refusal("kind", f"{workload.id} is batch work: gangs run, they do not queue")
    if not (math.isfinite(load_max) and load_max > 0):
        hint = "give demand over capacity_per_s"
        raise wrong("staffing.load_max", f"must be positive and finite, is {load_max}", hint)
    store = StaffingCache() if cache is None else cache
    return _kept_curve(workload, point, network_ms, _most_replicas(load_max), store)


def load_alone(
    workload: Served, point: OperatingPoint, network_ms: float, cache: StaffingCache | None = None
) -> float:
    """Most load that one replica carries (as in `staffing`, no larger pool simulated); 0 where it never does."""
    store = StaffingCache() if cache is None else cache
    curve = _kept_curve(workload, point, network_ms, 1, store)
    return 0.0 if isinstance(curve, Refusal) else curve.max_load[0]


def _kept_curve(
    workload: Served, point: OperatingPoint, network_ms: float, most: int, store: StaffingCache
) -> StaffingCurve | Refusal:
    network = rounded_network_ms(network_ms)
    key = (point.id, network, most)
    if key not in store.curves:
        store.curves[key] = _curve(workload, point, network, most, store)
    return store.curves[key]


def _most_replicas(load_max: float) -> int:
    """Largest pool to simulate: beyond it the utilisation of the largest holds, which is safe."""
    wanted = 1.25 * load_max + 1.0
    return next((count for count in POOLS if count >= wanted), POOLS[-1])


def _curve(
    workload: Served, point: OperatingPoint, network_ms: float, most: int, store: StaffingCache
) -> StaffingCurve | Refusal:
    if point.id not in store.measures:
        store.measures[point.id] = _measure(workload, point)
    measure = store.measures[point.id]

    def strain(replicas: int, load: float, seed: int) -> float:
        key = (point.id, replicas, load, seed)
        if key not in store.levels:
            store.levels[key] = measure(replicas, load, seed)
        (first, limit), *rest = store.levels[key]
        return max([(first + network_ms) / limit, *(achieved / level for achieved, level in rest)])

    pools = tuple(count for count in POOLS if count <= most)
    try:
        return staffing_curve(strain, replicas=pools, seeds=SEEDS, margin=MARGIN, tolerance=TOLERANCE, top=TOP)
    except KernelError as error:
        if not error.issues[0].where.lower().startswith("staffing"):
            raise
        why = f"{point.id} with {network_ms:g} ms of network: {error}"
        return Refusal("latency", why)


def _measure(workload: Served, point: OperatingPoint) -> Measure:
    """Simulate a pool of replicas at a load in units of the point's capacity."""
    if isinstance(workload, LlmWorkload) and isinstance(point.service, EngineService):
        return _llm_measure(workload, point, point.service)
    if isinstance(workload, LlmWorkload) and isinstance(point.service, SplitService):
        return _split_measure(workload, point, point.service)
    if isinstance(point.service, QueueService) and not isinstance(workload, LlmWorkload):
        return _queue_measure(workload, point, point.service)
    raise wrong(
        "staffing.point", f"{point.id} is not a point of {workload.id}", "ask operating_points for this workload"
    )


def llm_pool(workload: LlmWorkload, service: EngineService) -> LlmPool:
    """The kernel's pool for a workload on an engine, network left out."""
    level = workload.service_level
    return LlmPool(
        step=service.step,
        limits=service.limits,
        prompt_mean_tokens=workload.prompt.mean_tokens,
        prompt_cv=workload.prompt.cv,
        output_mean_tokens=workload.output.mean_tokens,
        output_cv=workload.output.cv,
        ttft_ms=level.ttft_ms,
        tpot_ms=level.tpot_ms,
        ttft_percentile=100.0 * level.percentile,
        tpot_percentile=100.0 * level.percentile,
        arrival_cv=workload.arrival_cv,
        longest_tokens=service.longest_tokens,
        groups=service.groups,
        requests_per_replica=LLM_REQUESTS_PER_REPLICA,
        least_requests=LLM_REQUESTS,
    )


def _llm_measure(workload: LlmWorkload, point: OperatingPoint, service: EngineService) -> Measure:
    return _levels(llm_pool(workload, service), point)


def _split_measure(workload: LlmWorkload, point: OperatingPoint, service: SplitService) -> Measure:
    pool = SplitPool(
        decode=llm_pool(workload, service.decode),
        prefill_step=service.prefill.step,
        prefill_limits=service.prefill.limits,
        prefill_engines=service.prefill_engines,
        decode_engines=service.decode_engines,
        transfer_ps_per_token=service.transfer_ps_per_token,
    )
    return _levels(pool, point)


def _levels(pool: LlmPool | SplitPool | QueuePool, point: OperatingPoint) -> Measure:
    """Levels achieved by a pool at a load in units of the point's capacity."""
    scale = point.capacity_per_s / pool.saturation_per_s

    def measure(replicas: int, load: float, seed: int) -> Levels:
        report = pool.report(replicas, load * scale, seed, errors=PLANNING_ERRORS)
        return tuple((achieved, limit) for _, achieved, limit in report.levels)

    return measure


def queue_period_ms(workload: ControlWorkload | VisionWorkload | StreamWorkload) -> float:
    """Time between two sends of one robot, camera or channel; of the slowest camera (more sources, more bursts)."""
    if isinstance(workload, ControlWorkload):
        return workload.replan_every_steps / workload.control_hz * 1e3
    if isinstance(workload, VisionWorkload):
        return 1e3 / min(demand.fps_per_s for demand in workload.demand)
    return workload.window_s * 1e3


def _queue_measure(
    workload: ControlWorkload | VisionWorkload | StreamWorkload, point: OperatingPoint, service: QueueService
) -> Measure:
    limit = latency_limit_ms(workload) if isinstance(workload, ControlWorkload) else workload.service_level.latency_ms
    pool = QueuePool(
        service_ps_by_batch=(0, *service.batch_ps),
        max_batch=len(service.batch_ps),
        latency_ms=limit,
        latency_percentile=100.0 * workload.service_level.percentile,
        period_ms=queue_period_ms(workload),
        requests=QUEUE_REQUESTS,
    )
    return _levels(pool, point)
