"""A small rich factory, its catalogue, and a valid plan whose decisions were worked out by hand.

Three sites of one's own or rented, a token API, three served workloads, a recurring batch job, five periods
(four quarters and a year). Comments carry the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from groundplan.catalog import Catalog
from groundplan.plan import COST_LINES, PEAK, Plan
from groundplan.spec import Factory
from groundplan.verify._money import evaluate, npv
from groundplan.verify._world import World

ACCELERATORS = """
[[accelerators]]
id = "gpu"
name = "Sample GPU"
vendor = "NVIDIA"
vendor_country = "US"
market = "datacenter"
memory_kind = "hbm3"
dense_bf16_tflops = 1000
dense_fp8_tflops = 2000
memory_gb = 80
mem_bw_gb_per_s = 3350
scaleup_gb_per_s_per_direction = 450
scaleup_domain_gpus = 8
pcie_gb_per_s_per_direction = 64
tdp_w = 700
idle_w = 70
applicable_die_mm2 = 814
source = "made-up"
"""
SERVERS = """
[[servers]]
id = "node8"
name = "Sample node"
aliases = ["eight-way"]
accelerator = "gpu"
accelerators_count = 8
cpu_cores = 112
max_power_kw = 10.0
idle_power_kw = 2.0
host_power_kw = 2.8
cooling = "liquid"
liquid_heat_share = 0.3
racks_share = 0.5
life_years = 5
annual_failure_rate = 0.5
source = "made-up"

[[servers]]
id = "mini"
name = "Sample edge box"
accelerator = "gpu"
accelerators_count = 2
cpu_cores = 16
max_power_kw = 2.0
idle_power_kw = 0.5
host_power_kw = 0.3
cooling = "air"
racks_share = 0.1
life_years = 3
annual_failure_rate = 0.5
source = "made-up"
"""
MODELS = """
[[models]]
id = "talk"
name = "Talk"
kind = "llm"
native_precision = "bf16"
source = "made-up"
[models.arch]
type = "transformer"
layers = 8
hidden = 512
heads = 8
kv_heads = 8
head_dim = 64
ffn = 2048
vocab = 1000

[[models]]
id = "look"
name = "Look"
kind = "vision"
params_total_b = 0.1
native_precision = "bf16"
arch = { type = "vision", input_width_pixels = 512, input_height_pixels = 512, gflops_per_frame = 20 }
source = "made-up"
"""
TARIFF = """
[[tariffs]]
id = "grid"
name = "Sample grid"
country = "KR"
utility = "Sample"
currency = "KRW"
fx_local_per_usd = 1000
utc_offset_h = 9
demand_charge_local_per_kw_month = 10000
ratchet_months = 12
ratchet_season = [7, 8]
levies_local_per_kwh = 10
levy_share = 0.05
effective_from = 2026-01-01
source = "made-up"
"""
SUMMER, YEAR = [6, 7, 8], list(range(1, 13))
ENERGY = (
    ([month for month in YEAR if month not in SUMMER], "weekday", [8, 20], 120),
    (SUMMER, "weekday", [8, 20], 180),
    (YEAR, "weekday", [20, 8], 80),
    (YEAR, "saturday", [0, 24], 90),
    (YEAR, "sunday", [0, 24], 70),
)
"""Months, day type, hours, KRW per kWh."""
TARIFFS = TARIFF + "".join(
    f"""
[[tariffs.energy]]
season = {months}
day_type = "{day}"
hours = [{hours}]
price_local_per_kwh = {price}
"""
    for months, day, hours, price in ENERGY
)
OFFERS = """
[[offers]]
id = "cloud-1y"
provider = "Sample"
operator_country = "US"
parent_country = "US"
region = "x"
accelerator = "gpu"
accelerators_count = 8
term = "1y"
price_usd_per_hour = 16.0
dated = 2026-01-01
source = "made-up"
"""
SOURCES = '[sources.made-up]\nwho = "made up for tests"\nkind = "assumed"\nconfidence = "low"\ndated = 2026-01-01\n'
SOURCE = {"who": "made up for tests", "kind": "assumed", "confidence": "low", "dated": "2026-01-01"}


def catalog() -> Catalog:
    """A catalogue of made-up rows, so that the figures here stay put."""
    return Catalog(
        {
            "sources": SOURCES, "accelerators": ACCELERATORS, "servers": SERVERS, "models": MODELS,
            "tariffs": TARIFFS, "countries": "", "fx": "", "offers": OFFERS,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """What `verify` reads of a loaded factory file."""

    factory: Factory
    spec_hash: str = "hash-of-the-sample"


def _site(name: str, tier: str, country: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "title": name, "tier": tier, "country": country, "owner_country": country,
        "operator_country": country, "parent_country": country, "key_holder_country": country,
        "utc_offset_h": 9, "lan_rtt_p50_ms": 0.2, "lan_rtt_p99_ms": 1.0, "pue": 1.2,
        "grid_carbon_kg_per_kwh": 0.4, **more,
    }  # fmt: skip


PLANT = {
    "usable_kw": 75, "ups_tier": "n+1", "pue_peak": 1.4, "air_heat_kw": 60, "liquid_heat_kw": 30,
    "rack_slots_count": 3, "rack_limit_kw": 40, "tariff": "grid", "contract_minimum_kw": 15,
    "intra_bucket_peak_factor": 1.1, "opening_usd": 9000, "space_usd_per_kw_month": 0, "import_duty_share": 0.08,
    "staff": {"existing_fte": 1, "min_fte": 1, "nodes_per_fte": 3, "salary_usd_per_year": 60000,
              "training_usd_per_fte": 4000},
    "blocks": [
        {"id": "hall-a", "usable_kw": 20, "air_heat_kw": 12, "liquid_heat_kw": 8, "rack_slots_count": 2,
         "price_usd": 70000, "lead_months": 6, "max_count": 1},
        {"id": "hall-b", "usable_kw": 20, "air_heat_kw": 12, "liquid_heat_kw": 8, "rack_slots_count": 2,
         "price_usd": 80000, "lead_months": 6, "max_count": 2},
    ],
}  # fmt: skip
ANNEX = {
    **PLANT, "usable_kw": 5, "air_heat_kw": 4, "liquid_heat_kw": 0, "rack_slots_count": 1, "rack_limit_kw": 5,
    "contract_minimum_kw": 0, "opening_usd": 5000, "space_usd_per_kw_month": 12, "blocks": [],
    "staff": {"existing_fte": 0, "min_fte": 1, "nodes_per_fte": 10, "salary_usd_per_year": 30000,
              "training_usd_per_fte": 1000},
}  # fmt: skip


def factory_values() -> dict[str, Any]:
    """The factory as plain values, to be varied."""
    served = {"upload_kb_per_unit": 20, "download_kb_per_unit": 50}
    level = {"ttft_ms": 1000, "tpot_ms": 50}
    talk = {"kind": "llm", "model": "talk", "service_level": level, **served,
            "prompt": {"mean_tokens": 1000, "cv": 1}, "output": {"mean_tokens": 200, "cv": 1}}  # fmt: skip
    return {
        "groundplan": 1, "name": "sample", "title": "Sample", "synthetic": True, "start": "2027-01",
        "periods": {"months": 0, "quarters": 4, "years": 1}, "utc_offset_h": 9,
        "buckets": [
            {"id": "day", "days": "weekday", "hours": [[8, 20]]},
            {"id": "night", "days": "weekday", "hours": [[0, 8], [20, 24]]},
            {"id": "weekend", "days": "weekend", "hours": [[0, 24]]},
        ],
        "profiles": [{"id": "office", "share_by_bucket": {"day": 0.8, "night": 0.4, "weekend": 0.2}}],
        "money": {
            "report_currency": "KRW", "discount_rate": 0.08, "energy_price_change_per_year_rate": 0.03,
            "exchange_rates": [{"currency": "KRW", "local_per_usd": 1250, "dated": "2026-06-01", "source": SOURCE}],
            "overheads": {"network_share": 0.1, "storage_usd_per_node": 5000, "spares_share": 0.02,
                          "maintenance_per_year_rate": 0.05, "software_usd_per_gpu_year": 1000,
                          "facility_life_years": 15, "source": SOURCE},
        },
        "data_classes": [{"id": "open", "title": "open", "labels": ["public"], "law_of": "KR"},
                         {"id": "secret", "title": "secret", "labels": ["house-secret"], "law_of": "KR"}],
        "rules": [{"id": "stay-home", "when": {"labels": ["house-secret"]}, "from_date": "2026-01-01",
                   "forbid": {"verbs": ["store"], "outside": ["KR"], "facts": ["country", "operator"]},
                   "unless": ["waiver"], "cite": "house", "note": "secrets stay", "severity": "house"}],
        "law": [],
        "zones": [{"id": "homes", "title": "homes", "country": "KR"}],
        "sites": [
            _site("plant", "site-dc", "KR", hosting=PLANT),
            _site("annex", "line-edge", "KR", hosting=ANNEX, utc_offset_h=7.5),
            _site("cloud", "public-cloud", "US", pue=1.1),
            _site("api", "token-api", "US"),
        ],
        "links": [
            {"origin": "plant", "site": "cloud", "rtt_p50_ms": 20, "rtt_p99_ms": 40, "bandwidth_mbit_per_s": 100,
             "price_usd_per_month": 1000, "egress_usd_per_gb": 0.05},
            {"origin": "plant", "site": "annex", "rtt_p50_ms": 1, "rtt_p99_ms": 2, "bandwidth_mbit_per_s": 1000,
             "price_usd_per_month": 50, "egress_usd_per_gb": 0},
            {"origin": "homes", "site": "api", "rtt_p50_ms": 30, "rtt_p99_ms": 60, "bandwidth_mbit_per_s": 100,
             "price_usd_per_month": 200, "egress_usd_per_gb": 0.1},
        ],
        "workloads": [
            {**talk, "id": "chat", "title": "chat", "data_classes": ["open"], "survives": "site",
             "failover_share": 0.5,
             "demand": [{"origin": "plant", "profile": "office", "growth_per_year_rate": 0.2, "requests_per_s": 10}]},
            {**talk, "id": "assist", "title": "assist", "data_classes": ["open"], "required": False,
             "value_usd_per_unit": 0.004, "shed_usd_per_unit": 0.002,
             "demand": [{"origin": "homes", "requests_per_s": 2, "from_month": "2027-04"}]},
            {"id": "inspect", "kind": "vision", "model": "look", "title": "inspect", "data_classes": ["secret"],
             "service_level": {"latency_ms": 100}, **served,
             "demand": [{"origin": "plant", "cameras_count": 20, "fps_per_s": 5}]},
            {"id": "tune", "kind": "finetune", "model": "talk", "method": "lora", "tokens_per_run": 1e8,
             "title": "tune", "data_classes": ["open"],
             "demand": [{"origin": "plant", "work_units_per_month": 10}]},
            {
                "id": "grow",
                "kind": "pretrain",
                "model": "talk",
                "train_tokens": 4e11,
                "title": "grow",
                "data_classes": ["open"],
                "demand": [{"origin": "plant", "start_month": "2027-04", "due_month": "2027-10"}],
            },
        ],
        "purchases": [
            {"id": "buy8", "server": "eight-way", "sites": ["plant"], "price_usd": 250000, "price_scope": "node",
             "price_change_per_year_rate": -0.1, "source": SOURCE, "lead_months": 3, "lot_nodes": 1,
             "deposit_share": 0.3, "available_from": "2027-01",
             "deliveries": [{"month": "2027-06", "cumulative_nodes": 2}, {"month": "2028-12", "cumulative_nodes": 3}]},
            {"id": "buy-mini", "server": "mini", "sites": ["annex"], "price_usd": 40000,
             "price_scope": "all-in site", "source": SOURCE, "lead_months": 0, "lot_nodes": 1},
        ],
        "rentals": [
            {"id": "cloud-year", "site": "cloud", "server": "node8", "term": "1y", "cloud_offer": "cloud-1y",
             "quota_nodes": 1},
            {"id": "cloud-long", "site": "cloud", "server": "node8", "term": "3y",
             "price_usd_per_node_hour": 12, "quota_nodes": 1, "source": SOURCE},
            {"id": "cloud-now", "site": "cloud", "server": "node8", "term": "on-demand",
             "price_usd_per_node_hour": 25, "quota_nodes": 4, "source": SOURCE},
        ],
        "token_offers": [
            {"id": "sold", "site": "api", "workloads": ["assist"], "input_usd_per_mtok": 0.5,
             "output_usd_per_mtok": 2.0, "ttft_ms": 400, "tpot_ms": 20, "quota_requests_per_s": 1.5,
             "source": SOURCE},
        ],
        "existing": [
            {"id": "old", "site": "plant", "server": "node8", "nodes_count": 5, "bought_month": "2023-07",
             "maintenance_usd_per_year": 9000, "resale_usd": 60000, "resale_decline_per_year_rate": 0.25},
        ],
        "budgets": {"capex_usd_by_year": [820000, 300000], "cash_usd_by_year": [2500000, 2500000],
                    "carbon_tonnes_by_year": [250, 300]},
        "on_premise_floors": [{"workloads": ["chat", "inspect"], "min_share": 0.55}],
    }  # fmt: skip


def factory(**changes: Any) -> Factory:
    """The sample factory, with top-level keys replaced."""
    return Factory.model_validate({**factory_values(), **changes})


PERIODS = {"q1": (0, 3), "q2": (3, 3), "q3": (6, 3), "q4": (9, 3), "y2": (12, 12)}
BUCKETS = {"day": (0.8, 60), "night": (0.4, 60), "weekend": (0.2, 48), PEAK: (1.0, 0)}
"""Office profile, hours a week."""
PLANT_NODES = {"q1": 5, "q2": 5, "q3": 5, "q4": 5, "y2": 6}


def tau(period: str, bucket: str) -> float:
    """Hours."""
    return 8760 * PERIODS[period][1] / 12 * BUCKETS[bucket][1] / 168


def chat(period: str, bucket: str) -> float:
    """Requests per second, grown to the end of the period."""
    start, months = PERIODS[period]
    return 10 * 1.2 ** ((start + months) / 12) * BUCKETS[bucket][0]


def gang_hours(period: str) -> dict[str, float]:
    """Nights and weekends; 10 runs a month at 0.03 runs an hour are 1000 hours a quarter."""
    return {"night": 2500.0, "weekend": 1500.0} if period == "y2" else {"night": 600.0, "weekend": 400.0}


GROW = {"q2": {"night": 100.0, "weekend": 50.0}, "q3": {"weekend": 250.0}}
"""Gang hours of the pretraining: 400 at 1e9 tokens an hour, between April and October."""


def _points() -> list[dict[str, Any]]:
    memory = {
        "weights": 10.0,
        "kv": 40.0,
        "activations": 5.0,
        "reserve": 5.0,
        "total": 60.0,
        "available": 76.0,
    }
    shared = {"server": "node8", "engine": "sample 1 2026-06", "precision": "bf16", "nodes_per_replica": 1,
              "memory_gb": memory, "error_low_factor": 0.8, "error_high_factor": 1.1, "why": "memory"}  # fmt: skip
    fast = {"ttft": 200.0, "tpot": 20.0}
    return [
        {**shared, "id": "p-chat", "workload": "chat", "model": "talk", "slots_per_replica": 4,
         "capacity_per_s": 4.0, "dynamic_kw": 1.5, "latency_ms": fast},
        {**shared, "id": "p-look", "workload": "inspect", "model": "look", "slots_per_replica": 2,
         "capacity_per_s": 40.0, "dynamic_kw": 0.8, "latency_ms": {"latency": 12.0}},
        {**shared, "id": "p-tune", "workload": "tune", "model": "talk", "slots_per_replica": 8,
         "capacity_per_s": 0.03, "dynamic_kw": 6.0, "latency_ms": {}},
        {**shared, "id": "p-grow", "workload": "grow", "model": "talk", "slots_per_replica": 8,
         "capacity_per_s": 1e9, "dynamic_kw": 5.0, "latency_ms": {}},
    ]  # fmt: skip


def _staffing() -> list[dict[str, Any]]:
    """Concave: the second tangent is steeper at the start, flatter later."""
    tangents = [{"alpha": 1.1, "beta": 0.4, "load_max": 6.0}, {"alpha": 1.3, "beta": 0.2, "load_max": 2.0}]
    ways = (("p-chat", "plant", 1.0), ("p-chat", "cloud", 45.6), ("p-look", "plant", 1.0))
    return [
        {"point": point, "origin": "plant", "site": site, "network_ms": network, "tangents": tangents}
        for point, site, network in ways
    ]


def _cells() -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("replicas", "loads", "failovers", "batch")}
    for period in PERIODS:
        at = {"origin": "plant", "server": "node8", "period": period}
        here, there = ({**at, "workload": "chat", "point": "p-chat", "site": site} for site in ("plant", "cloud"))
        look = {**at, "workload": "inspect", "point": "p-look", "site": "plant"}
        # chat: R <= 0.6 x 14.4 / 4 = 2.16 -> 1.1 R + 0.4 = 2.78; inspect: R = 2.5 -> 3.15.
        rows["replicas"] += [{**here, "replicas": 3}, {**there, "replicas": 3}, {**look, "replicas": 4}]
        for bucket in BUCKETS:
            load = chat(period, bucket)
            rows["loads"] += [{**here, "bucket": bucket, "units_per_s": 0.6 * load},
                              {**there, "bucket": bucket, "units_per_s": load - 0.6 * load},
                              {**look, "bucket": bucket, "units_per_s": 100.0}]  # fmt: skip
        half = 0.5 * chat(period, PEAK)
        rows["failovers"] += [{**here, "lost_site": "cloud", "units_per_s": half},
                              {**there, "lost_site": "plant", "units_per_s": half}]  # fmt: skip
        where = "cloud" if period == "y2" else "plant"
        tune = {**at, "workload": "tune", "point": "p-tune", "site": where}
        rows["batch"] += [{**tune, "bucket": b, "gang_hours": h} for b, h in gang_hours(period).items()]
        grow = {**at, "workload": "grow", "point": "p-grow", "site": "plant"}
        rows["batch"] += [{**grow, "bucket": b, "gang_hours": h} for b, h in GROW.get(period, {}).items()]
    return rows


def _sold() -> dict[str, list[dict[str, Any]]]:
    """2 requests/s from April on: 1.5 sold, 0.5 shed."""
    ways = [(p, b) for p in PERIODS if p != "q1" for b in BUCKETS]
    at = {"workload": "assist", "origin": "homes"}
    return {
        "tokens": [{**at, "offer": "sold", "period": p, "bucket": b, "units_per_s": 1.5} for p, b in ways],
        "shed": [{**at, "period": p, "bucket": b, "units_per_s": 0.5} for p, b in ways],
    }


def plant_draw_kw(period: str, bucket: str) -> float:
    """IT kW: idle nodes, busy replicas, gangs."""
    kw = 2.0 * PLANT_NODES[period] + 1.5 * 0.6 * chat(period, bucket) / 4 + 0.8 * 100 / 40
    if period != "y2" and bucket in gang_hours(period):
        kw += 6.0 * gang_hours(period)[bucket] / tau(period, bucket)
    if bucket in GROW.get(period, {}):
        kw += 5.0 * GROW[period][bucket] / tau(period, bucket)
    return kw


def _peaks() -> Iterator[dict[str, Any]]:
    highest = 0.0
    for period in PERIODS:
        own = max(1.1 * 1.2 * plant_draw_kw(period, bucket) for bucket in BUCKETS)
        own = max(own, 15.0, highest if period == "y2" else 0.0)  # the ratchet holds the summer of q3 for a year
        highest = own if period == "q3" else highest
        yield {
            "site": "plant",
            "period": period,
            "billed_peak_kw": own if period != "q4" else max(own, highest),
        }
        yield {"site": "annex", "period": period, "billed_peak_kw": 1.1 * 1.2 * 0.5}


def decisions() -> dict[str, Any]:
    """Everything but costs and result."""
    quarters = [p for p in PERIODS if p != "y2"]
    links = [("plant", "cloud", p) for p in PERIODS] + [("homes", "api", p) for p in PERIODS if p != "q1"]
    return {
        "name": "sample", "spec_hash": Spec.spec_hash, "catalog_hash": "", "buckets": ["day", "night", "weekend"],
        "periods": [
            {"id": p, "start_month_count": s, "months_count": m, "plan_year": s // 12 + 1}
            for p, (s, m) in PERIODS.items()
        ],
        "points": _points(), "staffing": _staffing(), **_cells(), **_sold(),
        # Plant: 5 old; 2 retired as 2 new ones arrive in q2; a third is ordered in q4 for y2.
        "orders": [
            {"offer": "buy-mini", "site": "annex", "server": "mini", "period": "q1", "arrives": "q1", "nodes": 1},
            {"offer": "buy8", "site": "plant", "server": "node8", "period": "q1", "arrives": "q2", "nodes": 2},
            {"offer": "buy8", "site": "plant", "server": "node8", "period": "q4", "arrives": "y2", "nodes": 1},
        ],
        "retirements": [{"existing": "old", "site": "plant", "period": "q2", "nodes": 2}],
        # 6 nodes x 10 kW x 1.4 = 84 kW in y2: 75 and a block of 20.
        "blocks": [{"site": "plant", "block": "hall-a", "period": "q2", "usable_from": "q4", "count": 1}],
        # 3 replicas of 4 slots: 2 nodes, and one spare for the loss of any.
        "rents": [
            *({"offer": "cloud-now", "period": p, "nodes": 2} for p in quarters),
            {"offer": "cloud-now", "period": "y2", "nodes": 3},
            {"offer": "cloud-year", "period": "q1", "nodes": 1},
        ],
        "bursts": [{"offer": "cloud-now", "period": "y2", "bucket": "night", "node_hours": 100.0}],
        "staff": [
            *({"site": "plant", "period": p, "fte": 2} for p in PERIODS),
            *({"site": "annex", "period": p, "fte": 1} for p in PERIODS),
        ],
        "peaks": list(_peaks()),
        "links": [{"origin": o, "site": s, "period": p} for o, s, p in links],
        "opened": {"plant": "q1", "annex": "q1"},
    }  # fmt: skip


def plan_of(values: dict[str, Any], spec: Spec, tables: Catalog) -> Plan:
    """A plan of these decisions, with cost rows and objective as `verify` sees them."""
    result = {"status": "optimal", "objective_usd": 0.0, "bound_usd": 0.0, "gap": 0.0, "rounding_cost_usd": 0.0,
              "max_residual": 0.0, "reproducible": True}  # fmt: skip
    world = World(Plan.model_validate({**values, "costs": [], "result": result}), spec, tables)
    lines = evaluate(world)
    costs = [{"period": p, "line": line, "usd": float(lines.get((p, line), 0))} for p in PERIODS for line in COST_LINES]
    objective = float(npv(world, lines))
    bound = objective - 0.002 * abs(objective)
    result |= {"objective_usd": objective, "bound_usd": bound, "gap": 0.002, "rounding_cost_usd": 100.0}
    return Plan.model_validate({**values, "costs": costs, "result": result})


def sample(**changes: Any) -> tuple[Plan, Spec, Catalog]:
    """The valid plan, its factory (with top-level keys replaced) and its catalogue."""
    spec, tables = Spec(factory(**changes)), catalog()
    values = decisions()
    values["catalog_hash"] = tables.content_hash
    return plan_of(values, spec, tables), spec, tables


# --- the same factory with existing nodes that move ---

ROOMY_ANNEX = {**ANNEX, "usable_kw": 10, "air_heat_kw": 8, "rack_slots_count": 2}
SHED = {**ROOMY_ANNEX, "opening_usd": 0}
BOXES = {
    "id": "boxes", "site": "shed", "server": "mini", "nodes_count": 3, "bought_month": "2026-07",
    "maintenance_usd_per_year": 1000, "resale_usd": 8000, "resale_decline_per_year_rate": 0.25,
    "moves": [{"to": "annex", "usd_per_node": 700, "lead_months": 3}],
}  # fmt: skip
SHED_NODES = {"q1": 3, "q2": 1, "q3": 1, "q4": 1, "y2": 1}
ANNEX_NODES = {"q1": 1, "q2": 1, "q3": 3, "q4": 2, "y2": 2}
"""Three boxes in the shed: two leave in q2 for the annex, are there from q3, and one of them is sold in q4."""


def moving_values() -> dict[str, Any]:
    """The factory of the moves, to be varied: a shed with three boxes beside the sample, an annex with room."""
    values = factory_values()
    next(site for site in values["sites"] if site["id"] == "annex")["hosting"] = ROOMY_ANNEX
    values["sites"].append(_site("shed", "line-edge", "KR", hosting=SHED))
    values["existing"].append(BOXES)
    return values


def moving_decisions() -> dict[str, Any]:
    values = decisions()
    values["moves"] = [{"existing": "boxes", "to": "annex", "period": "q2", "arrives": "q3", "nodes": 2}]
    values["retirements"].append({"existing": "boxes", "site": "annex", "period": "q4", "nodes": 1})
    values["staff"] += [{"site": "shed", "period": p, "fte": 1} for p in PERIODS]
    values["peaks"] = [row for row in values["peaks"] if row["site"] == "plant"]
    for site, nodes in (("annex", ANNEX_NODES), ("shed", SHED_NODES)):
        highest = 0.0
        for period in PERIODS:  # the summer of q3 holds for a year
            own = 1.1 * 1.2 * 0.5 * nodes[period]
            highest = own if period == "q3" else highest
            values["peaks"].append({"site": site, "period": period, "billed_peak_kw": max(own, highest)})
    values["opened"]["shed"] = "q1"
    return values


def moving_sample(**changes: Any) -> tuple[Plan, Spec, Catalog]:
    """A valid plan that moves nodes, its factory (with top-level keys replaced) and its catalogue."""
    spec, tables = Spec(Factory.model_validate({**moving_values(), **changes})), catalog()
    values = moving_decisions()
    values["catalog_hash"] = tables.content_hash
    return plan_of(values, spec, tables), spec, tables
