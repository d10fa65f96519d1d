"""The plan: what is bought, what runs where, what it costs, and every table that was used to decide it.

A plan is checked from the factory file, the catalogue and this file alone, so the operating points and
staffing tangents that the optimiser used are part of it. Every list stands in a fixed order.
No wall time stands in it: equal input gives equal bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from groundplan.spec import Strict

PEAK = "peak"
"""Id of the design-peak bucket: it has no hours; power and capacity bind in it, energy does not."""


class PeriodRow(Strict):
    """One planning period."""

    id: str
    """2027-03, 2028-q1 or 2029."""
    start_month_count: int
    """Months from the start of the plan."""
    months_count: int
    plan_year: int
    """From 1."""


class PointRow(Strict):
    """An operating point: one way to run one workload on one server model."""

    id: str
    workload: str
    server: str
    model: str
    engine: str
    """Engine profile and date, such as ``vllm-0.11 default 2026-06``."""
    precision: str
    slots_per_replica: int
    """Accelerators (CPU cores on a CPU server) that one replica holds on each of its nodes."""
    nodes_per_replica: int
    """Above 1: a replica spans whole nodes; slots_per_replica is then all slots of a node."""
    capacity_per_s: float
    """Units per second at which one replica saturates (served kinds); work units per hour of one gang (batch kinds)."""
    dynamic_kw: float
    """Extra IT kW of one busy replica (or running gang) over its share of idle power; mean, for energy and draw."""
    latency_ms: dict[str, float]
    """Unloaded, network excluded: ttft, tpot, or latency."""
    memory_gb: dict[str, float]
    """Per accelerator: weights, kv, activations, reserve, total, available."""
    error_low_factor: float
    error_high_factor: float
    """90 % interval of the true capacity as a factor of capacity_per_s."""
    why: str
    """Which limit binds, in words."""
    measured: str = ""
    """Whose benchmark the speeds rest on, in words; empty where they are the shipped model's alone."""


class TangentRow(Strict):
    """Replicas needed >= alpha x load + beta for 0 < load <= load_max, load = demand / capacity of one replica."""

    alpha: float
    beta: float
    load_max: float


class StaffingRow(Strict):
    """Staffing of one eligible cell (workload, origin, site, point) under its service level, network included."""

    point: str
    origin: str
    site: str
    network_ms: float
    """Round trip p99 that the service level pays."""
    tangents: tuple[TangentRow, ...] = Field(min_length=1)


class OrderRow(Strict):
    """Nodes ordered in a period; they arrive in the period `arrives`."""

    offer: str
    site: str
    server: str
    period: str
    arrives: str
    nodes: int


class BlockRow(Strict):
    """Power blocks bought."""

    site: str
    block: str
    period: str
    usable_from: str
    count: int


class MoveRow(Strict):
    """Existing nodes that leave their site at the start of `period` and run at `to` from the start of `arrives`."""

    existing: str
    to: str
    period: str
    arrives: str
    nodes: int


class RetireRow(Strict):
    """Existing nodes retired and resold at the start of a period, at the site where they stood."""

    existing: str
    site: str
    period: str
    nodes: int


class RentRow(Strict):
    """Nodes rented: a commitment that starts in `period`, or on-demand nodes held through it."""

    offer: str
    period: str
    nodes: int


class BurstRow(Strict):
    """On-demand node-hours rented in one bucket for batch work alone."""

    offer: str
    period: str
    bucket: str
    node_hours: float


class ReplicaRow(Strict):
    """Replicas provisioned in a period."""

    workload: str
    origin: str
    site: str
    server: str
    point: str
    period: str
    replicas: int


class LoadRow(Strict):
    """Load served, units per second."""

    workload: str
    origin: str
    site: str
    server: str
    point: str
    period: str
    bucket: str
    units_per_s: float


class FailoverRow(Strict):
    """Load carried at the design peak after the loss of one site."""

    workload: str
    origin: str
    lost_site: str
    site: str
    server: str
    point: str
    period: str
    units_per_s: float


class TokenRow(Strict):
    """Load sent to a token API, units per second."""

    offer: str
    workload: str
    origin: str
    period: str
    bucket: str
    units_per_s: float


class ShedRow(Strict):
    """Load not served, units per second."""

    workload: str
    origin: str
    period: str
    bucket: str
    units_per_s: float


class BatchRow(Strict):
    """Hours that a gang runs a batch workload in one bucket."""

    workload: str
    origin: str
    site: str
    server: str
    point: str
    period: str
    bucket: str
    gang_hours: float


class StaffRow(Strict):
    """People at a site in a period."""

    site: str
    period: str
    fte: int


class PeakRow(Strict):
    """Billed peak at a site in a period."""

    site: str
    period: str
    billed_peak_kw: float


class LinkRow(Strict):
    """A link in use (paid for) in a period."""

    origin: str
    site: str
    period: str


COST_LINES = (
    "hardware",
    "network",
    "storage",
    "spares",
    "duty",
    "facility",
    "opening",
    "energy",
    "demand_charge",
    "maintenance",
    "software",
    "staff",
    "training",
    "moving",
    "colocation",
    "cloud",
    "tokens",
    "links",
    "egress",
    "shed_penalty",
    "value_served",
    "resale",
    "residual",
)
"""Every line is printed, a zero as zero. The last three are credits (negative)."""
CAPEX_LINES = ("hardware", "network", "storage", "spares", "duty", "facility", "opening")


class CostRow(Strict):
    """Undiscounted US dollars of one line in one period (residual: at the end of the last one)."""

    period: str
    line: str
    usd: float


class Result(Strict):
    """What the solver and the rounding reached."""

    status: Literal["optimal", "limit"]
    """optimal: within the gap asked for; limit: stopped before."""
    objective_usd: float
    """NPV of cost of this very plan, after rounding, packing and the second stage."""
    bound_usd: float
    """No plan under these tables can cost less."""
    gap: float
    """(objective - bound) / |objective|."""
    rounding_cost_usd: float
    """Objective minus the solver's incumbent."""
    max_residual: float
    """Largest relative breach of any constraint by the delivered plan."""
    reproducible: bool


class RefusalRow(Strict):
    """A cell that was never offered to the solver, and why."""

    workload: str
    origin: str
    site: str
    server: str
    rule: str
    why: str


class MoveRefusalRow(Strict):
    """A move of existing nodes that was never offered to the solver, and why."""

    existing: str
    to: str
    rule: str
    why: str


class Plan(Strict):
    """A capacity plan with everything needed to check it."""

    format: Literal["groundplan-plan-1"] = "groundplan-plan-1"
    name: str
    spec_hash: str
    catalog_hash: str
    periods: tuple[PeriodRow, ...]
    buckets: tuple[str, ...]
    """Without the peak bucket."""
    result: Result
    points: tuple[PointRow, ...]
    staffing: tuple[StaffingRow, ...]
    orders: tuple[OrderRow, ...] = ()
    blocks: tuple[BlockRow, ...] = ()
    moves: tuple[MoveRow, ...] = ()
    retirements: tuple[RetireRow, ...] = ()
    rents: tuple[RentRow, ...] = ()
    bursts: tuple[BurstRow, ...] = ()
    replicas: tuple[ReplicaRow, ...] = ()
    loads: tuple[LoadRow, ...] = ()
    failovers: tuple[FailoverRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    shed: tuple[ShedRow, ...] = ()
    batch: tuple[BatchRow, ...] = ()
    staff: tuple[StaffRow, ...] = ()
    peaks: tuple[PeakRow, ...] = ()
    links: tuple[LinkRow, ...] = ()
    opened: dict[str, str] = Field(default_factory=dict)
    """Site -> period from which it is open."""
    costs: tuple[CostRow, ...]
    refusals: tuple[RefusalRow, ...] = ()
    refused_moves: tuple[MoveRefusalRow, ...] = ()
