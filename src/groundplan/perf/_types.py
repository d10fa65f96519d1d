"""What perf hands out: operating points with all that staffing needs, and refusals with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from groundplan.errors import GroundplanError, Issue
from groundplan.kernel import EngineLimits, StepTime
from groundplan.plan import PointRow

Rule = Literal["memory", "latency", "format", "kind", "missing-figure", "chunk"]
PS_PER_MS = 10**9
PS_PER_S = 10**12


class PerfError(GroundplanError):
    """A question that has no answer: a negative or infinite latency or load, a point of another workload."""


def wrong(where: str, what: str, hint: str) -> PerfError:
    """The error for one wrong argument."""
    return PerfError(Issue("perf", where, what, hint))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a workload cannot run in one way: the rule that forbids it, and the figures in words."""

    rule: Rule
    why: str


def short_of(need_gb: float, have_gb: float) -> str:
    """By how much something does not fit, in words."""
    return f"{need_gb - have_gb:,.3g} GB too much"


class Refused(Exception):
    """Carries a refusal from the depth of a model to the front door; never leaves the room."""

    def __init__(self, rule: Rule, why: str) -> None:
        self.refusal = Refusal(rule, why)
        super().__init__(why)


@dataclass(frozen=True, slots=True, eq=False)
class EngineService:
    """A batching engine: what the kernel steps with, and its longest request.

    longest_tokens: prompt + output; the model's context window, or what fits in the KV cache. groups: data groups of a
    replica, each an engine with a queue of its own.
    """

    step: StepTime
    limits: EngineLimits
    longest_tokens: int
    groups: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class SplitService:
    """A unit of engines that prefill and engines that decode.

    transfer_ps_per_token: sending the cache of one prompt token from one to the other [ps].
    """

    prefill: EngineService
    decode: EngineService
    prefill_engines: int
    decode_engines: int
    transfer_ps_per_token: int


@dataclass(frozen=True, slots=True)
class QueueService:
    """A server that takes work one batch at a time.

    batch_ps[b - 1]: time of a batch of b units [ps].
    """

    batch_ps: tuple[int, ...]


Service = EngineService | SplitService | QueueService


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """One way to run one workload on one server model.

    The fields of `plan.PointRow` (see there for units), `peak_kw` (most extra IT kW, for sizing feeds; `dynamic_kw` is
    the mean) and `service`, which staffing simulates; None for batch kinds, whose gangs have no queue.
    """

    id: str
    workload: str
    server: str
    model: str
    engine: str
    precision: str
    slots_per_replica: int
    nodes_per_replica: int
    capacity_per_s: float
    dynamic_kw: float
    latency_ms: Mapping[str, float]
    memory_gb: Mapping[str, float]
    error_low_factor: float
    error_high_factor: float
    why: str
    peak_kw: float
    service: Service | None = field(default=None, repr=False)
    measured: str = ""

    def row(self) -> PointRow:
        """The row of the plan file."""
        return PointRow(
            id=self.id,
            workload=self.workload,
            server=self.server,
            model=self.model,
            engine=self.engine,
            precision=self.precision,
            slots_per_replica=self.slots_per_replica,
            nodes_per_replica=self.nodes_per_replica,
            capacity_per_s=self.capacity_per_s,
            dynamic_kw=self.dynamic_kw,
            latency_ms=dict(self.latency_ms),
            memory_gb=dict(self.memory_gb),
            error_low_factor=self.error_low_factor,
            error_high_factor=self.error_high_factor,
            why=self.why,
            measured=self.measured,
        )

    @property
    def total_slots(self) -> int:
        """Slots over all nodes of the replica."""
        return self.slots_per_replica * self.nodes_per_replica

    @property
    def capacity_per_slot(self) -> float:
        """Units per second (per hour for a gang) and slot."""
        return self.capacity_per_s / self.total_slots


@dataclass(frozen=True, slots=True)
class Points:
    """The operating points worth a look, best capacity per slot first, and why the other ways were refused."""

    points: tuple[OperatingPoint, ...]
    refusals: tuple[Refusal, ...]
