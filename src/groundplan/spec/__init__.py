"""The factory file: what a user says about sites, workloads, law, money and dates."""

from groundplan.spec._base import Strict, month_number
from groundplan.spec._factory import Bucket, Factory, Periods, Profile, SolveSettings
from groundplan.spec._law import DataClass, HeldPermit, Rule, RuleForbid, RuleWhen
from groundplan.spec._money import (
    Budgets,
    Delivery,
    ExchangeRate,
    Existing,
    Money,
    Overheads,
    PurchaseOffer,
    RentalOffer,
    TokenOffer,
)
from groundplan.spec._place import ON_PREMISE_TIERS, Hosting, Link, PowerBlock, Site, Staff, Zone
from groundplan.spec._source import Source, SourceKind
from groundplan.spec._work import (
    AnalyticsWorkload,
    AnyWorkload,
    Batch,
    BatchDemand,
    ControlDemand,
    ControlWorkload,
    Demand,
    FinetuneWorkload,
    LatencyServiceLevel,
    Lengths,
    LlmDemand,
    LlmServiceLevel,
    LlmWorkload,
    OnceDemand,
    OnPremiseFloor,
    Precision,
    PretrainWorkload,
    Served,
    ServedWorkload,
    SimulationWorkload,
    StreamDemand,
    StreamWorkload,
    VisionDemand,
    VisionWorkload,
    Workload,
)
