"""A tiny factory that puts every family of the program to work, with its speed tables."""

from __future__ import annotations

import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracle"))

import instances
from bruteforce import Tables
from instances import SOURCE, Instance

from groundplan.catalog import Catalog
from groundplan.plan import PointRow, StaffingRow
from groundplan.problem import Problem, build_from_tables
from groundplan.spec import Factory

PLANT = {
    "usable_kw": 40, "ups_tier": "n", "pue_peak": 1.4, "air_heat_kw": 30, "liquid_heat_kw": 20,
    "rack_slots_count": 2, "rack_limit_kw": 30, "tariff": "grid", "contract_minimum_kw": 8,
    "intra_bucket_peak_factor": 1.2, "opening_usd": 15000, "space_usd_per_kw_month": 0, "import_duty_share": 0.08,
    "staff": {"existing_fte": 1, "min_fte": 1, "nodes_per_fte": 2, "salary_usd_per_year": 20000,
              "training_usd_per_fte": 3000},
    "blocks": [
        {"id": "hall-a", "usable_kw": 15, "air_heat_kw": 7, "liquid_heat_kw": 5, "rack_slots_count": 1,
         "price_usd": 30000, "lead_months": 0, "max_count": 2},
        {"id": "hall-b", "usable_kw": 60, "air_heat_kw": 40, "liquid_heat_kw": 30, "rack_slots_count": 3,
         "price_usd": 20000, "lead_months": 12, "max_count": 1},
    ],
}  # fmt: skip
ANNEX = {**PLANT, "usable_kw": 30, "contract_minimum_kw": 0, "space_usd_per_kw_month": 10, "blocks": [],
         "staff": {**PLANT["staff"], "existing_fte": 0}}  # fmt: skip


def _link(origin: str, site: str, **more: float) -> dict[str, Any]:
    return {"origin": origin, "site": site, "rtt_p50_ms": 10, "rtt_p99_ms": 20, "bandwidth_mbit_per_s": 100,
            "price_usd_per_month": 500, "egress_usd_per_gb": 0, **more}  # fmt: skip


def _llm(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "kind": "llm", "title": name, "model": "talk", "data_classes": ["open"],
        "prompt": {"mean_tokens": 800, "cv": 1}, "output": {"mean_tokens": 200, "cv": 1},
        "service_level": {"ttft_ms": 2000, "tpot_ms": 100}, "upload_kb_per_unit": 10, "download_kb_per_unit": 40,
        **more,
    }  # fmt: skip


WORKLOADS = [
    _llm("chat", survives="site", failover_share=0.5, demand=[
        {"origin": "homes", "requests_per_s": 8, "profile": "p", "growth_per_year_rate": 0.2}]),
    _llm("assist", isolation="node", required=False, value_usd_per_unit=0.004, shed_usd_per_unit=0.002, demand=[
        {"origin": "homes", "requests_per_s": 3, "profile": "constant"}]),
    {"id": "tune", "kind": "finetune", "title": "tune", "model": "talk", "data_classes": ["open"], "method": "lora",
     "tokens_per_run": 1e8, "demand": [{"origin": "plant", "work_units_per_month": 20}]},
    {"id": "grow", "kind": "pretrain", "title": "grow", "model": "talk", "data_classes": ["open"],
     "train_tokens": 5e11, "demand": [{"origin": "plant", "start_month": "2027-01", "due_month": "2029-01"}]},
]  # fmt: skip
RENT = {"site": "cloud", "server": "node8", "source": SOURCE}
VALUES: dict[str, Any] = {
    "groundplan": 1, "name": "tiny", "title": "tiny", "synthetic": True, "start": "2027-01",
    "periods": {"months": 0, "years": 2}, "utc_offset_h": 9,
    "buckets": [{"id": "day", "days": "all", "hours": [[8, 20]]},
                {"id": "night", "days": "all", "hours": [[0, 8], [20, 24]]}],
    "profiles": [{"id": "p", "share_by_bucket": {"day": 0.8, "night": 0.4}}],
    "money": {
        "report_currency": "USD", "discount_rate": 0.1, "energy_price_change_per_year_rate": 0.02,
        "exchange_rates": [{"currency": "KRW", "local_per_usd": 1250, "dated": "2026-06-01", "source": SOURCE}],
        "overheads": {"network_share": 0.1, "storage_usd_per_node": 2000, "spares_share": 0.03,
                      "maintenance_per_year_rate": 0.05, "software_usd_per_gpu_year": 500,
                      "facility_life_years": 15, "source": SOURCE},
    },
    "data_classes": [{"id": "open", "title": "open", "labels": ["public"], "law_of": "KR"}], "law": [],
    "zones": [{"id": "homes", "title": "homes", "country": "KR"}],
    "sites": [
        instances._site("plant", "site-dc", hosting=PLANT),
        instances._site("annex", "line-edge", hosting=ANNEX),
        instances._site("cloud", "public-cloud", pue=1.1),
        instances._site("api", "token-api"),
    ],
    "links": [_link("plant", "annex"), _link("plant", "cloud"), _link("homes", "plant"), _link("homes", "annex"),
              _link("homes", "cloud", egress_usd_per_gb=0.05), _link("homes", "api", egress_usd_per_gb=0.1)],
    "workloads": WORKLOADS,
    "purchases": [
        {"id": "buy8", "server": "node8", "sites": ["plant", "annex"], "price_usd": 120000, "price_scope": "node",
         "source": SOURCE, "price_change_per_year_rate": -0.2, "lead_months": 0, "lot_nodes": 2,
         "deposit_share": 0.3, "deliveries": [{"month": "2027-12", "cumulative_nodes": 4},
                                              {"month": "2028-12", "cumulative_nodes": 6}]},
        {"id": "buy4", "server": "node4", "sites": ["annex"], "price_usd": 60000, "price_scope": "all-in site",
         "source": SOURCE, "lead_months": 12, "lot_nodes": 1, "deposit_share": 0.3},
    ],
    "rentals": [
        {**RENT, "id": "year", "term": "1y", "price_usd_per_node_hour": 9.5, "quota_nodes": 2},
        {**RENT, "id": "now", "term": "on-demand", "price_usd_per_node_hour": 20, "quota_nodes": 3},
    ],
    "existing": [
        {"id": "old", "site": "plant", "server": "node8", "nodes_count": 2, "bought_month": "2024-06",
         "maintenance_usd_per_year": 9000, "resale_usd": 60000, "resale_decline_per_year_rate": 0.3,
         "moves": [{"to": "annex", "usd_per_node": 4000, "lead_months": 12}]},
    ],
    "token_offers": [
        {"id": "sold", "site": "api", "workloads": ["assist"], "input_usd_per_mtok": 0.5,
         "output_usd_per_mtok": 2.0, "ttft_ms": 400, "tpot_ms": 20, "quota_requests_per_s": 2, "source": SOURCE},
    ],
    "budgets": {"capex_usd_by_year": [900000], "cash_usd_by_year": [3000000], "carbon_tonnes_by_year": [900]},
    "on_premise_floors": [{"workloads": ["chat", "assist"], "min_share": 0.3}],
    "solve": {"gap_share": 0.0},
}  # fmt: skip


def _point(workload: str, server: str, slots: int, nodes: int, capacity_per_s: float) -> PointRow:
    memory = {"weights": 10.0, "kv": 20.0, "activations": 2.0, "reserve": 3.0, "total": 35.0, "available": 72.0}
    return PointRow(
        id=f"{workload}/{server}/x{slots}", workload=workload, server=server, model="talk", engine="tiny 1 2026-06",
        precision="bf16", slots_per_replica=slots, nodes_per_replica=nodes, capacity_per_s=capacity_per_s,
        dynamic_kw=round(0.7 * slots * nodes, 2), memory_gb=memory, error_low_factor=0.8, error_high_factor=1.2,
        latency_ms={"ttft": 300.0, "tpot": 20.0} if workload in ("chat", "assist") else {}, why="compute",
    )  # fmt: skip


def _staffed(
    point: str, origin: str, site: str, network_ms: float, *tangents: tuple[float, float, float]
) -> StaffingRow:
    rows = [{"alpha": a, "beta": b, "load_max": most} for a, b, most in tangents]
    values = {"point": point, "origin": origin, "site": site, "network_ms": network_ms, "tangents": rows}
    return StaffingRow.model_validate(values)


TABLES = Tables(
    points=(
        _point("chat", "node8", 3, 1, 3.0),
        _point("chat", "node8", 5, 1, 5.5),
        _point("chat", "node4", 2, 1, 2.0),
        _point("assist", "node8", 2, 1, 2.0),
        _point("tune", "node8", 8, 2, 0.06),
        _point("grow", "node8", 8, 1, 1e9),
    ),
    staffing=(
        _staffed("chat/node8/x3", "homes", "plant", 24.0, (1.8, 0.1, 0.8), (1.1, 0.6, 30.0)),
        _staffed("chat/node8/x5", "homes", "plant", 24.0, (1.2, 0.5, 30.0)),
        _staffed("chat/node8/x3", "homes", "annex", 24.0, (1.1, 0.6, 30.0)),
        _staffed("chat/node4/x2", "homes", "annex", 24.0, (1.3, 0.4, 30.0)),
        _staffed("chat/node8/x3", "homes", "cloud", 24.0, (1.1, 0.6, 30.0)),
        _staffed("assist/node8/x2", "homes", "plant", 24.0, (1.2, 0.3, 30.0)),
    ),
)


@cache
def catalog() -> Catalog:
    """The two servers of the oracle, and a grid whose summer peaks bind for 13 months."""
    sources = '[sources.made-up]\nwho = "made up"\nkind = "assumed"\nconfidence = "low"\ndated = 2026-01-01\n'
    servers = instances.SERVER.format(gpus=8, kw=10.0, idle=2.0, cooling="liquid", liquid="liquid_heat_share = 0.4")
    servers += instances.ROW + instances.SERVER.format(gpus=4, kw=5.5, idle=1.2, cooling="air", liquid="")
    energy = "".join(instances.ENERGY.format(months=m, hours=h, price=p) for m, h, p in instances.PRICES)
    return Catalog(
        {
            "sources": sources, "accelerators": instances.ACCELERATOR + instances.ROW,
            "servers": servers + instances.ROW,
            "models": instances.MODEL + instances.ROW,
            "tariffs": instances.TARIFF + "ratchet_months = 13\n" + instances.ROW + energy,
            **dict.fromkeys(("countries", "fx", "offers"), ""),
        }
    )  # fmt: skip


def rich(**changes: Any) -> Instance:
    """The factory with top-level keys replaced."""
    factory = Factory.model_validate({**deepcopy(VALUES), **changes})
    return Instance(0, "rich", factory, _tables_of(factory))


def _tables_of(factory: Factory) -> Tables:
    """Rows of the workloads that the factory has, at the pools that it has."""
    held = {(site, offer.server) for offer in factory.purchases for site in offer.sites}
    held |= {(row.site, row.server) for row in (*factory.rentals, *factory.existing)}
    held |= {(move.to, row.server) for row in factory.existing for move in row.moves}
    names = {workload.id for workload in factory.workloads}
    points = {p.id: p for p in TABLES.points if p.workload in names and p.server in {server for _, server in held}}
    staffing = [r for r in TABLES.staffing if r.point in points and (r.site, points[r.point].server) in held]
    used = {row.point for row in staffing}
    kept = [p for p in points.values() if p.id in used or p.workload in ("tune", "grow")]
    return Tables(tuple(kept), tuple(staffing))


def problem_of(case: Instance, tables: Catalog | None = None) -> Problem:
    """Its problem."""
    return build_from_tables(case.loaded, tables or catalog(), case.tables.points, case.tables.staffing)


__all__ = ["TABLES", "VALUES", "catalog", "problem_of", "rich"]
