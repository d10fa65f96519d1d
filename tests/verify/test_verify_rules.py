"""Single rules of `verify` on cases small enough to count by hand."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample import BUCKETS, Spec, catalog, decisions, factory, factory_values, plan_of, plant_draw_kw, sample
from spoil import put, rows

from groundplan.catalog import Catalog
from groundplan.errors import CatalogError
from groundplan.plan import Plan
from groundplan.spec import Site
from groundplan.verify import verify
from groundplan.verify._law import export_refusals
from groundplan.verify._packing import Needs, first_fit, least_bins, packs, placed
from groundplan.verify._power import ratcheted
from groundplan.verify._world import World, spare_nodes

# --- packing ---


def brute_packs(items: tuple[int, ...], bins: int, slots: int) -> bool:
    return any(
        all(sum(s for s, k in zip(items, where, strict=True) if k == b) <= slots for b in range(bins))
        for where in product(range(bins), repeat=len(items))
    )


@given(st.lists(st.integers(1, 8), max_size=6), st.integers(1, 3))
def test_packing_is_exact(items, bins):
    assert packs(Counter(items), bins, 8) == brute_packs(tuple(items), bins, 8)


def test_the_search_finds_what_first_fit_decreasing_misses():
    """First fit decreasing: 4 + 3, 3 + 2 + 2, 2; yet 4 + 2 + 2 and 3 + 3 + 2 fill two nodes of 8."""
    sizes = Counter({4: 1, 3: 2, 2: 3})
    assert first_fit(sizes, 8) == 3
    assert packs(sizes, 2, 8)


def test_fragmentation_counts():
    assert least_bins(Counter({5: 3}), 8) == 3
    assert least_bins(Counter({5: 2, 3: 2}), 8) == 2
    assert least_bins(Counter({4: 3}), 8) == 2


def test_isolated_and_whole_nodes_are_apart():
    needs = Needs(whole_nodes=2, groups={"": Counter({3: 1}), "alone": Counter({3: 1})}, count=3)
    assert placed(needs, 4, 8)
    assert not placed(needs, 3, 8)
    together = Needs(groups={"": Counter({3: 2})}, count=2)
    assert placed(together, 1, 8)


def test_isolation_of_the_file_is_kept():
    """chat and inspect share three nodes of the plant; apart they need 2 + 1, with N+k one more."""
    values = factory_values()
    values["workloads"][2]["isolation"] = "node"
    plan, spec, tables = sample(workloads=values["workloads"])
    assert verify(plan, spec, tables).families == frozenset()
    fewer = put(
        plan, replicas=[r | {"replicas": 9} if r["workload"] == "inspect" else r for r in rows(plan, "replicas")]
    )
    assert "spares" in verify(fewer, spec, tables).families  # 3 x 4 slots: 2 nodes, 9 x 2: 3 nodes, 1 spare; 5 there
    shared, *_ = sample()
    fewer = put(
        shared, replicas=[r | {"replicas": 9} if r["workload"] == "inspect" else r for r in rows(shared, "replicas")]
    )
    assert "spares" not in verify(fewer, Spec(factory()), tables).families  # 30 slots: 4 nodes


# --- spares ---


def test_spares_by_hand():
    """0.5 failures a year x 72 h: each node is down 0.41 % of the time."""
    down = 0.5 * 72 / 8760
    assert spare_nodes(1, 0.5) == 1
    assert spare_nodes(10, 0.5) == 1
    two_down = 1 - (1 - down) ** 12 - 12 * down * (1 - down) ** 11
    assert two_down > 1e-3
    assert spare_nodes(12, 0.5) == 2
    assert spare_nodes(5, 0.0) == 1


@given(st.integers(1, 300), st.floats(0, 5))
def test_more_nodes_never_need_fewer_spares(nodes, rate):
    assert spare_nodes(nodes, rate) <= spare_nodes(nodes + 1, rate)


def test_no_workload_that_survives_no_spare():
    values = factory_values()
    values["workloads"][0]["survives"] = "none"
    made = sample(workloads=values["workloads"])
    world = World(*made)
    assert world.spares(("plant", "node8"), world.spans[0]) == 0
    world = World(*sample())
    assert world.spares(("plant", "node8"), world.spans[0]) == 1
    assert world.spares(("cloud", "node8"), world.spans[0]) == 1  # rented: replaced within the hour


def test_replicas_that_fill_every_rented_node_do_not_survive_the_loss_of_one():
    """3 replicas of 4 slots stand on 2 rented nodes of 8: with one of them lost there is room for two."""
    values, spec, tables = decisions(), Spec(factory()), catalog()
    values["catalog_hash"] = tables.content_hash
    for row in values["rents"]:
        row["nodes"] -= (row["offer"], row["period"]) == ("cloud-now", "q2")
    found = verify(plan_of(values, spec, tables), spec, tables)
    assert [(issue.code, issue.where) for issue in found.findings] == [("spares", "replicas: cloud/node8 q2")]


# --- law ---


def test_house_rules_forbid_by_any_fact_and_permits_lift_them():
    values = factory_values()
    values["sites"][0]["operator_country"] = "US"
    assert "law" in verify(*sample(sites=values["sites"])).families
    permit = {"permit": "waiver", "from_month": "2027-01", "until_month": "2029-01"}
    assert "law" not in verify(*sample(sites=values["sites"], held_permits=[permit])).families
    short = permit | {"until_month": "2027-10"}  # valid on the first days of q1 to q3 only
    found = verify(*sample(sites=values["sites"], held_permits=[short])).findings
    assert {issue.what.split()[4].rstrip(":") for issue in found if issue.code == "law"} == {"q4", "y2"}


def test_a_rule_counts_from_its_first_day():
    values = factory_values()
    values["sites"][0]["operator_country"] = "US"
    for begins, broken in (("2028-01-01", True), ("2028-01-02", False)):
        rule = values["rules"][0] | {"from_date": begins}
        assert ("law" in verify(*sample(sites=values["sites"], rules=[rule])).families) == broken


def test_only_the_named_laws_of_the_catalogue_apply():
    values = factory_values()
    values["data_classes"][0] |= {"labels": ["nct"]}  # chat goes to a US cloud
    assert "law" not in verify(*sample(data_classes=values["data_classes"])).families
    assert "law" in verify(*sample(data_classes=values["data_classes"], law=["kr-nct"])).families
    assert "law" in verify(*sample(data_classes=values["data_classes"], law=None)).families


@pytest.mark.parametrize(
    ("country", "on", "refused"),
    [
        ("KR", date(2027, 1, 1), False),
        ("CN", date(2022, 1, 1), False),
        ("CN", date(2024, 1, 1), True),
        ("CN", date(2027, 1, 1), True),
        ("VN", date(2027, 1, 1), True),
    ],
)
def test_export_of_a_big_accelerator(country, on, refused):
    values = factory_values()["sites"][0] | {"country": country}
    world = World(*sample())
    assert bool(list(export_refusals(world, "node8", Site.model_validate(values), on))) == refused


def test_headquarters_count():
    values = factory_values()["sites"][0] | {"country": "KR", "parent_country": "CN"}
    world = World(*sample())
    assert list(export_refusals(world, "node8", Site.model_validate(values), date(2027, 1, 1)))


def test_a_blank_figure_is_not_exempt():
    """Without a stated die area the performance density of a middling part cannot be excluded."""
    tables = catalog()
    texts = dict(tables.texts)
    small = texts["accelerators"].replace("dense_bf16_tflops = 1000", "dense_bf16_tflops = 120")
    small = (
        small.replace("dense_fp8_tflops = 2000", "dense_fp8_tflops = 240")
        .replace("3350", "2000")
        .replace("tdp_w = 700", "tdp_w = 300")
    )
    refusals = {}
    for name, die in (("stated", "applicable_die_mm2 = 1600"), ("blank", "")):
        texts["accelerators"] = small.replace("applicable_die_mm2 = 814", die)
        values = factory_values()["sites"][0] | {"country": "CN"}
        plan, spec, _ = sample()
        world = World(plan, spec, Catalog(texts))
        found = export_refusals(world, "node8", Site.model_validate(values), date(2027, 1, 1))
        refusals[name] = [reason for reason in found if reason.startswith("us-3a090")]
    assert refusals["blank"]
    assert not refusals["stated"]  # TPP 1920 over 1600 mm2: density 1.2


# --- others ---


def test_deliveries_read_the_first_row_not_before_the_period():
    values = factory_values()
    values["purchases"][0]["deliveries"] = [
        {"month": "2027-02", "cumulative_nodes": 1},
        {"month": "2027-06", "cumulative_nodes": 2},
        {"month": "2028-06", "cumulative_nodes": 3},
    ]
    assert "deliveries" not in verify(*sample(purchases=values["purchases"])).families
    values["purchases"][0]["deliveries"] = [
        {"month": "2027-03", "cumulative_nodes": 1},
        {"month": "2028-06", "cumulative_nodes": 3},
    ]
    assert "deliveries" in verify(*sample(purchases=values["purchases"])).families


def _with_peaks(**kw: float) -> tuple[Plan, Spec, Catalog]:
    """The sample with other billed peaks of the plant."""
    values, spec, tables = decisions(), Spec(factory()), catalog()
    values["catalog_hash"] = tables.content_hash
    values["peaks"] = [
        row | ({"billed_peak_kw": kw[row["period"]]} if row["site"] == "plant" and row["period"] in kw else {})
        for row in values["peaks"]
    ]
    return plan_of(values, spec, tables), spec, tables


def test_ratchet_of_the_summer_holds_for_a_year():
    """q3 holds July and August: what was drawn then binds q4 and, 6 months later, y2; q2 and its 24.06 kW nobody."""
    own = {p: max(1.1 * 1.2 * plant_draw_kw(p, b) for b in BUCKETS) for p in ("q2", "q3", "q4", "y2")}
    assert own["q4"] < own["q2"] < own["q3"]
    for period in ("q4", "y2"):
        found = verify(*_with_peaks(**{period: own["q3"] * (1 - 1e-5)})).findings
        assert [(issue.code, issue.where) for issue in found] == [("peaks", f"peaks: plant {period}")]
        assert "ratchet of q3" in found[0].what
        assert verify(*_with_peaks(**{period: own["q3"]})).findings == ()


def test_a_ratchet_remembers_what_was_drawn_not_what_was_billed():
    assert verify(*_with_peaks(q3=200.0)).findings == ()


def test_the_peak_of_a_year_binds_the_next_year_and_no_later():
    spec, (plan, _, tables) = Spec(factory(periods={"months": 0, "years": 3})), sample()
    world = World(plan, spec, tables)
    hosting = spec.factory.sites[0].hosting
    assert hosting is not None
    assert [[earlier.index for earlier in ratcheted(world, hosting, span)] for span in world.spans] == [[], [0], [1]]


def test_a_site_without_nodes_yet_opens_with_the_first():
    values = decisions()
    spec, tables = Spec(factory()), catalog()
    values["catalog_hash"] = tables.content_hash
    late = {"offer": "buy-mini", "site": "annex", "server": "mini", "period": "q3", "arrives": "q3", "nodes": 1}
    values["orders"][0] = late
    found = verify(plan_of(values, spec, tables), spec, tables)
    assert found.families == {"opening"}
    values["opened"]["annex"] = "q3"
    plan = plan_of(values, spec, tables)
    assert verify(plan, spec, tables).families == frozenset()
    assert [row.period for row in plan.costs if row.line == "opening" and row.usd] == ["q3"]


def test_nodes_leave_at_the_end_of_their_life():
    """Bought three years earlier the old nodes are 60 months old at the start of y2: gone, and worth nothing."""
    values = factory_values()
    values["existing"][0]["bought_month"] = "2023-01"
    plan, spec, tables = sample(existing=values["existing"])
    world = World(plan, spec, tables)
    plant = [world.installed(("plant", "node8"), span) for span in world.spans]
    assert plant == [5, 5, 5, 5, 3]


def test_a_blank_that_a_rule_needs_is_said():
    tables = catalog()
    texts = dict(tables.texts)
    texts["servers"] = texts["servers"].replace("idle_power_kw = 2.0\n", "")
    plan, spec, _ = sample()
    blank = Catalog(texts)
    with pytest.raises(CatalogError, match="idle_power_kw"):
        verify(put(plan, catalog_hash=blank.content_hash), spec, blank)


def test_residuals_are_reported():
    """A breach far below the tolerance is no finding, yet counted."""
    plan, spec, tables = sample()
    first = next(k for k, row in enumerate(plan.loads) if row.bucket == "day")
    loads = rows(plan, "loads")
    loads[first]["units_per_s"] *= 1 - 3e-7
    report = verify(put(plan, loads=loads), spec, tables)
    assert report.findings == ()
    assert 1e-8 < report.max_residual < 1e-6


# --- what stops the re-check ---


def test_a_plan_of_another_file_is_told_once_and_not_compared():
    """The same file with dearer rent: one cause, one finding, not one for each line of cost."""
    plan, _, tables = sample()
    values = factory_values()
    values["rentals"][2]["price_usd_per_node_hour"] *= 2
    other = Spec(factory(rentals=values["rentals"]))
    assert len(verify(plan, other, tables).findings) > 5  # with the hash of the first file
    report = verify(put(plan, spec_hash="0" * 64), other, tables)
    assert [issue.code for issue in report.findings] == ["hash", "hash"]
    assert "not compared" in report.findings[-1].what
    assert (report.evaluated_usd, report.lines) == (0.0, {})


def test_shed_load_needs_no_failover_but_what_is_served_does():
    """chat served by two sites may be shed by rule; of what is left half must be carried without either site."""
    values = factory_values()
    values["workloads"][0] |= {"required": False}
    made = sample(workloads=values["workloads"])
    assert verify(*made).families == frozenset()
    plan = made[0]
    halved = {
        name: [r | ({"units_per_s": r["units_per_s"] / 2} if r["workload"] == "chat" else {}) for r in rows(plan, name)]
        for name in ("loads", "failovers")
    }
    dropped = [
        {"workload": "chat", "origin": "plant", "period": r["period"], "bucket": r["bucket"],
         "units_per_s": r["units_per_s"] / 2 / (0.6 if r["site"] == "plant" else 0.4) }
        for r in rows(plan, "loads") if (r["workload"], r["site"]) == ("chat", "plant")
    ]  # fmt: skip
    shed = put(plan, **halved, shed=[*rows(plan, "shed"), *dropped])
    assert not {"failover", "demand"} & verify(shed, *made[1:]).families
    quarter = [r | {"units_per_s": r["units_per_s"] / 2} for r in halved["failovers"]]
    assert "failover" in verify(put(shed, failovers=quarter), *made[1:]).families
