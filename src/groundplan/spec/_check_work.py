"""Checks of workloads: control arithmetic, shedding, survival."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from groundplan.spec._document import Path
from groundplan.spec._factory import Factory
from groundplan.spec._faults import Fault, repeated
from groundplan.spec._work import ControlWorkload, Served, StreamWorkload

MAX_CONTROL_HZ = 200.0
MIN_CONTROL_LATENCY_MS = 20.0
BATCH_HINT = "remove it: batch is always done, in the gaps, in the format that its kind has"


def control_loops(factory: Factory) -> Iterator[Fault]:
    """Robot policies stay out of motion loops, and their chunks bridge the delay."""
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, ControlWorkload):
            yield from _motion_loop(workload, ("workloads", index))
            yield from _chunks(workload, ("workloads", index))


def _motion_loop(workload: ControlWorkload, at: Path) -> Iterator[Fault]:
    """AI plans at 20 to 500 ms above a local 500 to 1,000 Hz controller (3GPP TS 22.261 annex D, TR 22.804)."""
    hint = "leave the motion loop and safety stops to a controller on the machine; the pool plans above it"
    reason = "a GPU pool never sits inside a motion loop"
    if workload.control_hz > MAX_CONTROL_HZ:
        what = f"control_hz {workload.control_hz:g} is above {MAX_CONTROL_HZ:g} Hz: {reason}"
        yield Fault((*at, "control_hz"), "motion-loop", what, hint)
    latency_ms = workload.service_level.latency_ms
    if latency_ms < MIN_CONTROL_LATENCY_MS:
        what = f"latency_ms {latency_ms:g} is below {MIN_CONTROL_LATENCY_MS:g} ms: {reason}"
        yield Fault((*at, "service_level", "latency_ms"), "motion-loop", what, hint)


def _chunks(workload: ControlWorkload, at: Path) -> Iterator[Fault]:
    """Replan every s of H steps with a delay of d steps: s <= H; async d <= s; rtc d <= s <= H - d."""
    chunk, replan = workload.chunk_steps, workload.replan_every_steps
    delay = ceil(workload.service_level.latency_ms / 1000 * workload.control_hz - 1e-9)
    why = f"at {workload.control_hz:g} Hz, {workload.service_level.latency_ms:g} ms are {delay} steps"
    if replan > chunk:
        what = f"replan_every_steps {replan} is above chunk_steps {chunk}: the robot runs out of actions"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at most {chunk}")
    elif workload.mode != "sync" and delay > replan:
        what = f"mode {workload.mode} needs the delay within replan_every_steps {replan}, but {why}"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at least {delay} steps, or sooner answers")
    elif workload.mode == "rtc" and replan > chunk - delay:
        what = f"mode rtc needs replan_every_steps {replan} <= chunk_steps {chunk} - delay, but {why}"
        yield Fault((*at, "replan_every_steps"), "chunk", what, f"at most {max(chunk - delay, 0)}, or a longer chunk")


def shedding(factory: Factory) -> Iterator[Fault]:
    """A penalty needs `required: false`; that needs a worth or a penalty, or all would be shed."""
    for index, workload in enumerate(factory.workloads):
        if not isinstance(workload, Served):
            continue
        if not workload.required:
            if not (workload.value_usd_per_unit or workload.shed_usd_per_unit):
                what = f"{workload.id!r} need not be served and nothing is lost without it, so it never would be"
                hint = "add value_usd_per_unit or shed_usd_per_unit above 0, or remove required: false"
                yield Fault(("workloads", index, "required"), "no-effect", what, hint)
            continue
        if workload.shed_usd_per_unit > 0:
            what = "shed_usd_per_unit has no effect where the workload is required"
            hint = "set required: false, or remove it"
            yield Fault(("workloads", index, "shed_usd_per_unit"), "no-effect", what, hint)


def batch_keys(factory: Factory) -> Iterator[Fault]:
    """Batch work is done, or there is no plan; it shares nodes and waits for repairs: more is not planned yet."""
    served_only = {
        "required", "value_usd_per_unit", "shed_usd_per_unit", "isolation", "survives", "allowed_precisions",
    }  # fmt: skip
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, Served):
            continue
        for key in sorted(served_only & workload.model_fields_set):
            if getattr(workload, key) != type(workload).model_fields[key].default:
                what = f"{key} is not supported yet on batch work, such as {workload.kind}"
                yield Fault(("workloads", index, key), "not-supported-yet", what, BATCH_HINT)


def formats_of_streams(factory: Factory) -> Iterator[Fault]:
    """Streams run on CPU cores, in double precision."""
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, StreamWorkload) and workload.allowed_precisions:
            what = "allowed_precisions has no effect on a stream, which runs on CPU cores"
            yield Fault(("workloads", index, "allowed_precisions"), "no-effect", what, "remove it")


def survival(factory: Factory) -> Iterator[Fault]:
    """`failover_share` needs `survives: site`, which needs a workload that answers requests."""
    for index, workload in enumerate(factory.workloads):
        at: Path = ("workloads", index)
        if "failover_share" in workload.model_fields_set and workload.survives != "site":
            what = f"failover_share has no effect where survives is {workload.survives}"
            yield Fault((*at, "failover_share"), "no-effect", what, "set survives: site, or remove it")
        elif workload.survives == "site" and workload.failover_share == 0:
            what = "failover_share 0 asks for nothing when a site is lost"
            yield Fault((*at, "failover_share"), "no-effect", what, "set survives: node, or a share above 0")


def once_each(factory: Factory) -> Iterator[Fault]:
    """Lists of names name each once; a workload has one demand for each origin."""
    for index, workload in enumerate(factory.workloads):
        at: Path = ("workloads", index)
        yield from repeated((*at, "data_classes"), workload.data_classes)
        yield from repeated((*at, "allowed_precisions"), workload.allowed_precisions)
        # A plan knows a load by workload and origin.
        yield from repeated((*at, "demand"), [demand.origin for demand in workload.demand])
    for index, offer in enumerate(factory.purchases):
        yield from repeated(("purchases", index, "sites"), offer.sites)
    for index, offer in enumerate(factory.token_offers):
        yield from repeated(("token_offers", index, "workloads"), offer.workloads)


def profiles_of_batch(factory: Factory) -> Iterator[Fault]:
    """Batch work has no profile."""
    for index, workload in enumerate(factory.workloads):
        if isinstance(workload, Served):
            continue
        for number, demand in enumerate(workload.demand):
            if "profile" in demand.model_fields_set:
                at = ("workloads", index, "demand", number, "profile")
                what = "a profile has no effect on batch work, which fills the valleys"
                yield Fault(at, "no-effect", what, "remove it")
