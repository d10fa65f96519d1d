"""Seeded tiny planning instances: factories with operating points and staffing given, no speed model needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from bruteforce import Tables

from groundplan.catalog import Catalog
from groundplan.plan import PointRow, StaffingRow
from groundplan.spec import Factory, LoadedSpec

SOURCE = {"who": "made up for tests", "kind": "assumed", "confidence": "low", "dated": "2026-01-01"}
ROW = 'source = "made-up"\n'
ACCELERATOR = """
[[accelerators]]
id = "gpu"
name = "Tiny GPU"
vendor = "NVIDIA"
vendor_country = "US"
market = "datacenter"
dense_bf16_tflops = 1000
memory_gb = 80
pcie_gb_per_s_per_direction = 64
scaleup_gb_per_s_per_direction = 450
tdp_w = 700
applicable_die_mm2 = 814
"""
SERVER = """
[[servers]]
id = "node{gpus}"
name = "Tiny node of {gpus}"
accelerator = "gpu"
accelerators_count = {gpus}
cpu_cores = 64
max_power_kw = {kw}
idle_power_kw = {idle}
host_power_kw = 1
cooling = "{cooling}"
{liquid}
racks_share = 0.4
life_years = 4
annual_failure_rate = 0.5
"""
MODEL = """
[[models]]
id = "talk"
name = "Talk"
kind = "llm"
arch = { type = "transformer", layers = 8, hidden = 64, heads = 8, kv_heads = 8, head_dim = 8, ffn = 256, vocab = 99 }
"""
TARIFF = """
[[tariffs]]
id = "grid"
name = "Tiny grid"
country = "KR"
utility = "Tiny"
currency = "KRW"
fx_local_per_usd = 1000
utc_offset_h = 9
demand_charge_local_per_kw_month = 9000
levy_share = 0.1
effective_from = 2026-01-01
"""
ENERGY = """
[[tariffs.energy]]
season = {months}
day_type = "all"
hours = [{hours}]
price_local_per_kwh = {price}
"""
SUMMER = [6, 7, 8]
WINTER = [1, 2, 3, 4, 5, 9, 10, 11, 12]
PRICES = ((SUMMER, [8, 20], 260), (SUMMER, [20, 8], 120), (WINTER, [8, 20], 180), (WINTER, [20, 8], 90))


def tiny_catalog() -> Catalog:
    """Two servers: 8 liquid-cooled slots, 4 air-cooled ones."""
    servers = SERVER.format(gpus=8, kw=10.0, idle=2.0, cooling="liquid", liquid="liquid_heat_share = 0.4") + ROW
    servers += SERVER.format(gpus=4, kw=5.5, idle=1.2, cooling="air", liquid="") + ROW
    energy = "".join(ENERGY.format(months=m, hours=h, price=p) for m, h, p in PRICES)
    sources = '[sources.made-up]\nwho = "made up"\nkind = "assumed"\nconfidence = "low"\ndated = 2026-01-01\n'
    empty = dict.fromkeys(("countries", "fx", "offers"), "")
    return Catalog(
        {
            "sources": sources, "accelerators": ACCELERATOR + ROW, "servers": servers, "models": MODEL + ROW,
            "tariffs": TARIFF + ROW + energy, **empty,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """A tiny factory with its speed tables."""

    seed: int
    kind: str
    factory: Factory
    tables: Tables

    @property
    def loaded(self) -> LoadedSpec:
        return LoadedSpec(self.factory, f"tiny-{self.seed}", {(): 1}, Path("tiny.yaml"), {(): "tiny.yaml"})


KINDS = (
    "fragments", "two-servers", "spares", "existing", "rented", "committed", "tokens", "lots", "two-periods",
    "isolated", "blocks", "wide", "no-power", "no-lead", "no-quota", "no-money", "later", "shed",
)  # fmt: skip
"""What each instance is about; the four that begin with no- are usually infeasible."""
MOVING = "moving"
MOVING_SEEDS = range(1000, 1040)
"""Seeds of instances whose existing nodes may move; apart, so that the others keep their seeds."""


DRAWS = (*KINDS, "fragments", "fragments", "two-servers", "existing", "tokens", "isolated", "wide", "shed")
"""Kinds in the order of the seeds: those in which whole numbers decide come more often."""


def instance(seed: int) -> Instance:
    """The instance of a seed; the kind goes round."""
    rng, kind = Random(f"tiny {seed}"), MOVING if seed in MOVING_SEEDS else DRAWS[seed % len(DRAWS)]
    values = _moving(rng, _factory(rng, kind)) if kind == MOVING else _factory(rng, kind)
    factory = Factory.model_validate(values)
    return Instance(seed, kind, factory, _tables(rng, kind, values))


def _hosting(rng: Random, kind: str) -> dict[str, Any]:
    usable_kw = {"no-power": rng.choice([5.0, 12.0, 16.0]), "blocks": 16.0}.get(kind, 200.0)
    blocks = [
        {"id": "hall", "usable_kw": 60, "air_heat_kw": 60, "liquid_heat_kw": 60, "rack_slots_count": 4,
         "price_usd": rng.choice([20000, 80000]), "lead_months": rng.choice([0, 12]), "max_count": 1},
    ]  # fmt: skip
    return {
        "usable_kw": usable_kw, "ups_tier": "n", "pue_peak": 1.4, "air_heat_kw": 150, "liquid_heat_kw": 100,
        "rack_slots_count": 9, "rack_limit_kw": 30, "blocks": blocks if kind == "blocks" else [], "tariff": "grid",
        "contract_minimum_kw": rng.choice([0, 8]), "intra_bucket_peak_factor": 1.2,
        "opening_usd": rng.choice([0, 15000]), "space_usd_per_kw_month": rng.choice([0, 10]),
        "import_duty_share": rng.choice([0, 0.08]),
        "staff": {"existing_fte": rng.choice([0, 1]), "min_fte": rng.choice([0, 1]),
                  "nodes_per_fte": rng.choice([1, 2, 4]), "salary_usd_per_year": 20000,
                  "training_usd_per_fte": 3000},
    }  # fmt: skip


def _site(name: str, tier: str, **more: Any) -> dict[str, Any]:
    facts = ("country", "owner_country", "operator_country", "parent_country", "key_holder_country")
    return {
        "id": name, "title": name, "tier": tier, **dict.fromkeys(facts, "KR"), "utc_offset_h": 9,
        "lan_rtt_p50_ms": 0.5, "lan_rtt_p99_ms": 1, "pue": 1.25, "grid_carbon_kg_per_kwh": 0.4, **more,
    }  # fmt: skip


def _workload(rng: Random, name: str, kind: str) -> dict[str, Any]:
    demand = {
        "origin": "plant",
        "requests_per_s": round(rng.uniform(2, 9), 2),
        "profile": rng.choice(["constant", "p"]),
    }
    demand["growth_per_year_rate"] = rng.choice([0, 0.3])
    if kind == "later":
        demand |= rng.choice([{"from_month": "2028-01"}, {"until_month": "2028-01"}])
    shed = kind == "shed" or (kind == "tokens" and name == "b")
    return {
        "id": name, "kind": "llm", "title": name, "model": "talk", "data_classes": ["open"],
        "prompt": {"mean_tokens": 800, "cv": 1}, "output": {"mean_tokens": 200, "cv": 1},
        "service_level": {"ttft_ms": 2000, "tpot_ms": 100}, "upload_kb_per_unit": 10, "download_kb_per_unit": 40,
        "survives": "node" if kind in ("spares", "rented", "two-periods") and rng.random() < 0.8 else "none",
        "isolation": "node" if kind == "isolated" and rng.random() < 0.7 else "gpu",
        "required": not shed, "shed_usd_per_unit": rng.choice([0.0002, 0.004]) if shed else 0,
        "value_usd_per_unit": rng.choice([0, 0.0005]) if shed else 0, "demand": [demand],
    }  # fmt: skip


def _factory(rng: Random, kind: str) -> dict[str, Any]:
    names = ["a", "b"] if kind in ("fragments", "isolated", "tokens", "wide") or rng.random() < 0.5 else ["a"]
    years = 2 if kind in ("two-periods", "later", "existing", "blocks", "no-lead", "committed") else 1
    years = 2 if kind == "rented" and rng.random() < 0.5 else years
    sites = [_site("plant", "site-dc", hosting=_hosting(rng, kind)), _site("cloud", "public-cloud")]
    return {
        "groundplan": 1, "name": "tiny", "title": "tiny", "synthetic": True, "start": "2027-01",
        "periods": {"months": 0, "years": years}, "utc_offset_h": 9,
        "buckets": [{"id": "day", "days": "all", "hours": [[8, 20]]},
                    {"id": "night", "days": "all", "hours": [[0, 8], [20, 24]]}],
        "profiles": [{"id": "p", "share_by_bucket": {"day": 0.9, "night": 0.3}}],
        "money": {
            "report_currency": "USD", "discount_rate": rng.choice([0.05, 0.1]),
            "energy_price_change_per_year_rate": 0.02,
            "exchange_rates": [{"currency": "KRW", "local_per_usd": 1300, "dated": "2026-06-01", "source": SOURCE}],
            "overheads": {"network_share": 0.1, "storage_usd_per_node": 2000, "spares_share": 0.03,
                          "maintenance_per_year_rate": 0.05, "software_usd_per_gpu_year": 500,
                          "facility_life_years": 15, "source": SOURCE},
        },
        "data_classes": [{"id": "open", "title": "open", "labels": ["public"], "law_of": "KR"}], "law": [],
        "sites": sites, "links": _links(rng), "workloads": [_workload(rng, name, kind) for name in names],
        "purchases": _purchases(rng, kind), "rentals": _rentals(rng, kind), "existing": _existing(rng, kind),
        "token_offers": _token_offers(rng, kind, names),
        "budgets": {"capex_usd_by_year": [rng.choice([50000, 180000])] if kind == "no-money" else []},
        "solve": {"gap_share": 0.0},
    }  # fmt: skip


def _links(rng: Random) -> list[dict[str, Any]]:
    return [
        {"origin": "plant", "site": "cloud", "rtt_p50_ms": 10, "rtt_p99_ms": 20, "bandwidth_mbit_per_s": 100,
         "price_usd_per_month": rng.choice([0, 500]), "egress_usd_per_gb": rng.choice([0, 0.08])}
    ]  # fmt: skip


def _purchases(rng: Random, kind: str) -> list[dict[str, Any]]:
    if kind in ("no-quota", "committed") and rng.random() < 0.7:
        return []
    lead = 24 if kind == "no-lead" else 12 if kind == "two-periods" and rng.random() < 0.3 else 0
    common = {
        "sites": ["plant"], "price_scope": rng.choice(["node", "rack+network"]), "source": SOURCE,
        "price_change_per_year_rate": rng.choice([0, -0.2]), "lead_months": lead,
        "lot_nodes": 2 if kind == "lots" else 1, "deposit_share": 0.3,
    }  # fmt: skip
    offers = [{**common, "id": "buy8", "server": "node8", "price_usd": rng.choice([120000, 200000])}]
    if kind == "two-servers":
        offers.append({**common, "id": "buy4", "server": "node4", "price_usd": rng.choice([60000, 90000])})
    if kind == "two-periods" and rng.random() < 0.5:
        rows = [{"month": "2027-12", "cumulative_nodes": 1}, {"month": "2028-12", "cumulative_nodes": 3}]
        offers[0]["deliveries"] = rows
    return offers


def _rentals(rng: Random, kind: str) -> list[dict[str, Any]]:
    quota = {"no-quota": 1, "rented": 3, "no-lead": rng.choice([0, 2]), "two-periods": 2, "committed": 3}.get(kind, 0)
    if not quota:
        return []
    base = {"site": "cloud", "server": "node8", "source": SOURCE, "quota_nodes": quota}
    offers = [{**base, "id": "now", "term": "on-demand", "price_usd_per_node_hour": rng.choice([12, 20, 30])}]
    if kind == "committed":
        offers.append({**base, "id": "year", "term": "1y", "price_usd_per_node_hour": 9.5, "quota_nodes": 2})
    return offers


def _existing(rng: Random, kind: str) -> list[dict[str, Any]]:
    if kind != "existing":
        return []
    bought = rng.choice(["2023-06", "2024-06", "2025-06"])
    return [
        {"id": "old", "site": "plant", "server": "node8", "nodes_count": rng.choice([1, 2, 3]), "bought_month": bought,
         "maintenance_usd_per_year": rng.choice([5000, 30000]), "resale_usd": rng.choice([0, 60000]),
         "resale_decline_per_year_rate": 0.3}
    ]  # fmt: skip


def _moving(rng: Random, values: dict[str, Any]) -> dict[str, Any]:
    """A second site of one's own: nodes that stand at one of the two may go to the other.

    The plant is where the load arises, yet may be too small for what stands there; the link to the annex costs money.
    """
    home, to = rng.choice([("plant", "annex"), ("annex", "plant")])
    values["periods"] = rng.choice([{"months": 0, "years": 2}, {"months": 0, "quarters": 2, "years": 0}])
    values["sites"].append(_site("annex", "line-edge", hosting=_hosting(rng, MOVING)))
    if home == "plant":
        values["sites"][0]["hosting"]["usable_kw"] = rng.choice([15.0, 15.0, 30.0])
    way = {**values["links"][0], "site": "annex", "price_usd_per_month": rng.choice([0, 400, 9000])}
    values["links"] = [way, *(values["links"] if values["rentals"] else [])]
    values["existing"] = [
        {"id": "old", "site": home, "server": "node8", "nodes_count": rng.choice([1, 2, 3]),
         "bought_month": rng.choice(["2023-06", "2024-06", "2025-06"]),
         "maintenance_usd_per_year": rng.choice([5000, 30000]), "resale_usd": rng.choice([0, 12000]),
         "resale_decline_per_year_rate": 0.3,
         "moves": [{"to": to, "usd_per_node": rng.choice([300, 3000]), "lead_months": rng.choice([0, 0, 3, 12])}]}
    ]  # fmt: skip
    for offer in values["purchases"]:
        offer["price_usd"], offer["sites"] = rng.choice([40000, 120000]), [rng.choice(["plant", "annex"])]
    return values


def _token_offers(rng: Random, kind: str, names: list[str]) -> list[dict[str, Any]]:
    if kind != "tokens":
        return []
    return [
        {"id": "sold", "site": "cloud", "workloads": names, "input_usd_per_mtok": rng.choice([0.1, 1.0]),
         "output_usd_per_mtok": rng.choice([0.5, 4.0]), "ttft_ms": 400, "tpot_ms": 20,
         "quota_requests_per_s": rng.choice([2.0, 6.0]), "source": SOURCE}
    ]  # fmt: skip


def _tables(rng: Random, kind: str, values: dict[str, Any]) -> Tables:
    """One point a workload and server (8-slot nodes take replicas of 3, 4 or 5), two tangents each."""
    held = {("plant", o["server"]) for o in (*values["purchases"], *values["existing"])}
    held |= {("cloud", o["server"]) for o in values["rentals"]}
    held |= {("annex", o["server"]) for o in (*values["purchases"], *values["existing"])} if kind == MOVING else set()
    points, staffing = [], []
    for workload in values["workloads"]:
        sizes = {"node8": rng.choice([3, 4, 5] if kind != "wide" else [2, 3, 8]), "node4": rng.choice([1, 2, 3])}
        for server in sorted({server for _, server in held}):
            slots, nodes = sizes[server], 1
            if kind == "wide" and slots == 8:
                nodes = 2
            point = _point(rng, workload["id"], server, slots, nodes)
            points.append(point)
            tangents = _tangents(rng)
            staffing += [
                StaffingRow(point=point.id, origin="plant", site=site, network_ms=network, tangents=tangents)
                for site, network in (("cloud", 24.0), ("plant", 1.0), ("annex", 24.0))
                if (site, server) in held
            ]
    return Tables(tuple(points), tuple(staffing))


def _point(rng: Random, workload: str, server: str, slots: int, nodes: int) -> PointRow:
    memory = {"weights": 10.0, "kv": 20.0, "activations": 2.0, "reserve": 3.0, "total": 35.0, "available": 72.0}
    return PointRow(
        id=f"{workload}/{server}/x{slots}", workload=workload, server=server, model="talk", engine="tiny 1 2026-06",
        precision="bf16", slots_per_replica=slots, nodes_per_replica=nodes,
        capacity_per_s=round(slots * nodes * rng.uniform(0.8, 1.3), 3), dynamic_kw=round(0.7 * slots * nodes, 2),
        latency_ms={"ttft": 300.0, "tpot": 20.0}, memory_gb=memory, error_low_factor=0.8, error_high_factor=1.2,
        why="compute",
    )  # fmt: skip


def _tangents(rng: Random) -> tuple[Any, ...]:
    """Steep from the origin, flatter with an offset; the last one reaches far."""
    steep = {"alpha": round(rng.uniform(1.5, 2.5), 2), "beta": 0.1, "load_max": round(rng.uniform(0.4, 1.2), 2)}
    flat = {"alpha": round(rng.uniform(1.05, 1.2), 2), "beta": round(rng.uniform(0.4, 0.9), 2), "load_max": 30.0}
    rows = StaffingRow.model_validate(
        {"point": "x", "origin": "x", "site": "x", "network_ms": 0.0, "tangents": (steep, flat)}
    )
    return rows.tangents
