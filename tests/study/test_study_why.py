"""Why not there: every refusing rule says so with its proof, and what no rule refuses gets an interval."""

from __future__ import annotations

from typing import Any

import pytest
from study_cases import CATALOG, QUOTE, edited, planned, read, site, starter

from groundplan.errors import CatalogError, SpecError
from groundplan.problem import Problem
from groundplan.study import Base, Planned, why


def _link(to: str, **changes: Any) -> dict[str, Any]:
    return {
        "origin": "plant",
        "site": to,
        "rtt_p50_ms": 5,
        "rtt_p99_ms": 9,
        "bandwidth_mbit_per_s": 500,
        "price_usd_per_month": 100,
        "egress_usd_per_gb": 0,
        **changes,
    }


def _buy(server: str, *sites: str, price_usd: float = 50_000) -> dict[str, Any]:
    return {
        "id": f"buy-{server}",
        "server": server,
        "sites": list(sites),
        "price_usd": price_usd,
        "price_scope": "node",
        "lead_months": 0,
        "source": QUOTE,
    }


def _company() -> dict[str, Any]:
    """The starter with a place for every rule to refuse."""
    content = starter()
    here = content["sites"]
    cool = {**here[0]["hosting"], "rack_limit_kw": 2}
    sites = [
        *here,
        site(content, "annex", "US"),  # a twin of the plant down the road
        site(content, "abroad", "DE"),
        site(
            content,
            "hanoi",
            "VN",
            utc_offset_h=7,
            **{"hosting": {**here[0]["hosting"], "tariff": "evn-manufacturing-22kv"}},
        ),
        site(content, "far", "US"),
        site(content, "thin", "US"),
        site(content, "apart", "US"),
        site(content, "cool", "US", hosting=cool),
    ]
    small = {**content["workloads"][0], "survives": "none"}
    big = {
        **small,
        "id": "oracle",
        "title": "A large model",
        "model": "llama-3.1-70b",
        "required": False,
        "value_usd_per_unit": 0.001,
    }
    robots = {
        "id": "robots",
        "title": "Robots",
        "kind": "control",
        "model": "pi0",
        "data_classes": ["plant-data"],
        "control_hz": 50,
        "chunk_steps": 100,  # twice what the policy returns
        "replan_every_steps": 50,
        "mode": "rtc",
        "cameras_per_robot": 2,
        "upload_kb_per_unit": 100,
        "download_kb_per_unit": 5,
        "service_level": {"latency_ms": 400, "percentile": 0.99},
        "required": False,
        "value_usd_per_unit": 0.001,
        "demand": [{"origin": "plant", "robots_count": 4}],
    }
    scenes = {
        "id": "scenes",
        "title": "Scenes",
        "kind": "simulation",
        "model": "cosmos-predict2-2b",
        "data_classes": ["plant-data"],
        "demand": [{"origin": "plant", "work_units_per_month": 1000}],
    }
    rule = {
        "id": "house-home",
        "when": {"labels": ["production"]},
        "forbid": {"verbs": ["store", "process", "access"], "outside": ["US", "VN"], "facts": ["country"]},
        "from_date": "2026-01-01",
        "cite": "house rule",
        "note": "synthetic",
        "severity": "house",
    }
    return edited(
        content,
        sites=sites,
        links=[
            *content["links"],
            *(_link(name) for name in ("annex", "abroad", "hanoi", "cool")),
            _link("far", rtt_p50_ms=1400, rtt_p99_ms=2000),
            _link("thin", bandwidth_mbit_per_s=0.05),
        ],
        rules=[rule],
        workloads=[small, content["workloads"][1], big, robots, scenes],
        purchases=[
            _buy("l40s-8", "plant", "annex", "abroad", "hanoi", "far", "thin", "apart", "cool", price_usd=105_000),
            _buy("l4-4", "plant"),
            _buy("cpu-2s-64", "plant"),
            _buy("rtx-pro-6000-8", "apart", price_usd=118_000),
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def asked() -> tuple[Base, Problem, Planned]:
    content = _company()
    content["workloads"][4]["demand"][0]["origin"] = "apart"
    return planned(read(content))


@pytest.mark.parametrize(
    ("workload", "place", "hardware", "rule", "said"),
    [
        ("copilot", "abroad", "l40s-8", "house-home", "country of site abroad is DE"),
        ("copilot", "hanoi", "l40s-8", "us-3a090a", "licence"),
        ("copilot", "far", "l40s-8", "latency", "ms"),
        ("oracle", "plant", "l4-4", "memory", "GB"),
        ("copilot", "plant", "cpu-2s-64", "kind", "no accelerator"),
        ("scenes", "plant", "l40s-8", "missing-figure", "no figure"),
        ("robots", "plant", "l40s-8", "chunk", "steps"),
        ("copilot", "apart", "l40s-8", "no-link", "no link leads from plant to apart"),
        ("copilot", "thin", "l40s-8", "bandwidth", "of the peak"),
        ("copilot", "cool", "l40s-8", "rack-heat", "kW a rack"),
        ("copilot", "cloud", "l4-4", "no-offer", "no offer puts l4-4 at cloud"),
    ],
)
def test_every_refusing_rule_gives_its_proof(
    asked: tuple[Base, Problem, Planned], workload: str, place: str, hardware: str, rule: str, said: str
) -> None:
    found = why(*asked, workload, place, hardware)
    assert found.answer == "refused"
    assert found.share == 0
    assert found.extra_usd is None
    assert any(proof.rule.startswith(rule) and said in proof.why for proof in found.proofs), found.proofs


def test_a_twin_of_the_plant_is_inside_the_gap() -> None:
    """What costs the same but for a link of a dollar a month cannot be told apart within a gap of a percent."""
    content = starter()
    content["sites"].append(site(content, "annex", "US"))
    content["links"].append(_link("annex", price_usd_per_month=0))
    content["workloads"] = [{**content["workloads"][0], "survives": "none"}]
    content["profiles"] = content["profiles"][:1]
    content["purchases"][0] |= {"sites": ["plant", "annex"], "lead_months": 0}
    content["sites"][0]["hosting"]["opening_usd"] = content["sites"][-1]["hosting"]["opening_usd"] = 0
    content["sites"][0]["hosting"]["staff"] |= {"min_fte": 0, "nodes_per_fte": 1000}
    content["sites"][-1]["hosting"]["staff"] |= {"min_fte": 0, "nodes_per_fte": 1000}
    content["solve"] = {"gap_share": 0.2}
    asked = planned(read(content))
    here = max(("plant", "annex"), key=lambda name: why(*asked, "copilot", name).share)
    there = "annex" if here == "plant" else "plant"
    found = why(*asked, "copilot", there)
    assert found.answer == "no-provable-difference"
    assert found.extra_usd is not None
    assert found.extra_usd[0] <= 0 <= found.extra_usd[1]


def test_forcing_costs_what_the_forced_plan_costs(asked: tuple[Base, Problem, Planned]) -> None:
    first = asked[2]
    found = why(*asked, "copilot", "cloud")
    assert found.answer == "dearer"
    assert found.extra_usd is not None
    low, high = found.extra_usd
    gap_usd = first.usd - first.bound_usd
    assert 0 < low <= high <= low + gap_usd + 0.02 * first.usd


def test_what_is_chosen_says_what_leaving_costs(asked: tuple[Base, Problem, Planned]) -> None:
    found = why(*asked, "weld-inspection", "plant")
    assert found.share > 0.9
    assert found.answer in ("chosen", "no-provable-difference")


def test_unknown_names_are_refused_with_the_near_ones(asked: tuple[Base, Problem, Planned]) -> None:
    with pytest.raises(SpecError, match="did you mean copilot"):
        why(*asked, "copilto", "plant")
    with pytest.raises(SpecError, match="no site 'plnat'"):
        why(*asked, "copilot", "plnat")
    with pytest.raises(CatalogError, match="did you mean"):
        why(*asked, "copilot", "plant", "l40s-9")


def test_an_accelerator_names_its_servers(asked: tuple[Base, Problem, Planned]) -> None:
    assert {proof.server for proof in why(*asked, "oracle", "plant", "l4").proofs} == {"l4-4"}
    assert CATALOG.server("l4-4").accelerator == "l4"
