"""Cross-checks, each with the fault that it finds, in a company with every part of the format and in the starter."""

# ruff: noqa: E501 (one line for each fault, so that the tables can be read)

from __future__ import annotations

from pathlib import Path

import pytest

from groundplan.errors import Issue, SpecError
from groundplan.spec import loads, starter

COMPANY = (Path(__file__).parent / "company.yaml").read_text(encoding="utf-8")


def issues(text: str) -> tuple[Issue, ...]:
    with pytest.raises(SpecError) as caught:
        loads(text)
    return caught.value.issues


def swap(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def test_the_company_is_sound() -> None:
    assert len(loads(COMPANY).factory.workloads) == 10


# --- the company: (what is replaced, by what, code, what must be said) --------------------------------------

COMPANY_FAULTS: list[tuple[str, str, str, str]] = [
    # control: 100 ms at 50 Hz are 5 steps
    ("replan_every_steps: 25", "replan_every_steps: 51", "chunk", "replan_every_steps 51 is above chunk_steps 50"),
    ("replan_every_steps: 25", "replan_every_steps: 4", "chunk", "needs the delay within replan_every_steps 4"),
    ("replan_every_steps: 25", "replan_every_steps: 46", "chunk", "needs replan_every_steps 46 <= chunk_steps 50 - delay"),
    ("control_hz: 50", "control_hz: 500", "motion-loop", "a GPU pool never sits inside a motion loop"),
    ("service_level: {latency_ms: 100,", "service_level: {latency_ms: 19,", "motion-loop", "latency_ms 19 is below 20 ms"),
    # value and priority
    ("    required: false\n    value_usd_per_unit: 0.0015\n", "", "no-effect", "shed_usd_per_unit has no effect where the workload is required"),
    ("    value_usd_per_unit: 0.0015\n    shed_usd_per_unit: 0.003\n", "", "no-effect", "need not be served and nothing is lost without it"),
    # survival
    ("survives: site", "survives: node", "no-effect", "failover_share has no effect where survives is node"),
    ("failover_share: 0.5", "failover_share: 0", "no-effect", "failover_share 0 asks for nothing"),
    ("    tokens_per_run:", "    survives: site\n    tokens_per_run:", "not-supported-yet", "survives is not supported yet on batch work"),
    # dates
    ("lead_months: 7\n    available_from: 2027-04", "lead_months: 7\n    available_from: 2032-01", "no-effect", "available_from 2032-01 is after the plan, whose last month is 2031-12"),
    ("{month: 2027-03, cumulative_nodes: 6}", "{month: 2026-12, cumulative_nodes: 6}", "no-effect", "delivery month 2026-12 is outside the plan"),
    ("{month: 2027-12, cumulative_nodes: 30}", "{month: 2027-12, cumulative_nodes: 5}", "impossible-date", "delivery of 2027-12 falls behind the one before it"),
    ("bought_month: 2025-03", "bought_month: 2027-02", "impossible-date", "bought_month 2027-02 is after the start of the plan"),
    ("    from_date: 2026-01-01\n", "    from_date: 2026-01-01\n    until_date: 2025-01-01\n", "impossible-date", "until_date 2025-01-01 is not after from_date"),
    ("    from_date: 2026-01-01\n", "    from_date: 2032-01-01\n", "no-effect", "from_date 2032-01-01 is after the plan"),
    ("solve: {", "held_permits: [{permit: motir-approval, from_month: 2028-01, until_month: 2027-06}]\nsolve: {", "impossible-date", "until_month 2027-06 is not after from_month 2028-01"),
    # offers and tiers
    ("workloads: [product-faq]", "workloads: [scenes]", "wrong-kind", "token offer for 'scenes', a workload of kind simulation"),
    ("site: token-us\n    workloads", "site: public-seoul\n    workloads", "wrong-tier", "token offer at 'public-seoul' of tier public-cloud"),
    ("site: public-singapore\n    server", "site: seoul-rnd\n    server", "wrong-tier", "rental at 'seoul-rnd' of tier site-dc"),
    ("term: 3y", "term: on-demand", "duplicate-id", "a second on-demand rental of 'l40s-8' at 'public-seoul'"),
    ("    server: hgx-b200-8\n", "    server: hgx-h200-8\n", "duplicate-id", "a second offer of 'hgx-h200-8' at 'seoul-rnd'"),
    ("site: seoul-rnd\n    server: hgx-a100-8", "site: public-seoul\n    server: hgx-a100-8", "wrong-tier", "nodes of your own stand at 'public-seoul'"),
    ("tier: colocation\n", "tier: sovereign-cloud\n", "wrong-tier", "has hosting, but nothing of your own can stand there"),
    ("quarters: 4, years: 3}", "quarters: 4}", "no-effect", "term 3y is longer than the plan of 24 months"),
    ("contract_minimum_kw: 10\n", "contract_minimum_kw: 400\n", "inconsistent", "contract_minimum_kw 400 of 'changwon' is above its usable power"),
    ("      opening_usd: 70000\n", "", "missing-key", "missing key sites[haiphong].hosting.opening_usd"),
    # floors, budgets, currencies
    ("{workloads: [copilot], min_share: 0.5}", "{workloads: [scenes], min_share: 0.5}", "wrong-kind", "on_premise_floors names 'scenes', which answers no requests"),
    ("{workloads: [copilot], min_share: 0.5}", "{workloads: [copilot], min_share: 0}", "no-effect", "min_share 0 asks for nothing"),
    ("{workloads: [copilot], min_share: 0.5}", "{workloads: [copilot, copilot], min_share: 0.5}", "inconsistent", "a workload is named twice"),
    ("carbon_tonnes_by_year: [3000,", "carbon_tonnes_by_year: [3000, 3000,", "no-effect", "budgets.carbon_tonnes_by_year has 6 years, but the plan has 5"),
    ("- currency: VND", "- currency: KRW", "duplicate-name", "names KRW twice"),
    ("- currency: VND", "- currency: USD", "no-effect", "an exchange rate of USD to itself"),
    ("{origin: haiphong, profile: two-shifts, growth_per_year_rate: 0.12, from", "{origin: changwon, profile: two-shifts, growth_per_year_rate: 0.12, from", "duplicate-name", "demand names changwon twice"),
    ("    tokens_per_run:", "    required: false\n    tokens_per_run:", "not-supported-yet", "required is not supported yet on batch work"),
    ("    tokens_per_run:", "    value_usd_per_unit: 1\n    tokens_per_run:", "not-supported-yet", "value_usd_per_unit is not supported yet on batch work"),
    ("kind: analytics", "kind: analytics\n    allowed_precisions: [fp8]", "not-supported-yet", "allowed_precisions is not supported yet on batch work, such as analytics"),
    ("{origin: homes-kr, site: token-us,", "{origin: changwon, site: token-us,", "missing-link", "no link leads from where 'product-faq' arises to 'token-us'"),
    # nothing uses it
    ("id: published,", "id: unread,", "unknown-name", "workloads[product-faq].data_classes[0] = 'published' names no data class"),
    ("data_classes: [published]", "data_classes: [internal]", "unused", "no workload has data of class 'published'"),
    ("{origin: seoul-rnd, profile: office,", "{origin: seoul-rnd, profile: homes,", "unused", "no demand uses profile 'office'"),
    ("when: {labels: [nct]}", "when: {labels: [nctt]}", "unused", "rule 'house-core-technology' speaks of no data class"),
    ("{origin: roads-kr, growth", "{origin: homes-kr, growth", "unused", "no demand arises in zone 'roads-kr'"),
    ("site: public-singapore\n    server", "site: public-seoul\n    server", "no-effect", "link to 'public-singapore', where nothing can run"),
    ("site: public-singapore\n    server", "site: public-seoul\n    server", "duplicate-id", "a second on-demand rental of 'l40s-8'"),
    ("{origin: changwon, site: colo-incheon,", "{origin: changwon, site: seoul-rnd,", "duplicate-id", "2 links from 'changwon' to 'seoul-rnd'"),
    ("{origin: changwon, site: colo-incheon,", "{origin: kr-sovereign, site: colo-incheon,", "unused", "link from 'kr-sovereign', where no demand arises"),
    ("{origin: roads-kr, growth", "{origin: roads-kr, profile: homes, growth", "no-effect", "a profile has no effect on batch work"),
    ("data_classes: [production-kr, production-vn]\n    control_hz", "data_classes: [production-kr, production-kr]\n    control_hz", "duplicate-name", "data_classes names production-kr twice"),
    ("id: roads-kr, title", "id: changwon, title", "duplicate-id", "sites[changwon].id = 'changwon' is also the id of a zone"),
    # the models' own rules
    ("    cloud_offer: aws-p5.48xlarge-ap-northeast-2-on-demand\n", "", "inconsistent", "give either price_usd_per_node_hour or cloud_offer"),
    ("    provider_model: llama-3.1-8b-instant\n", "", "inconsistent", "give either both token prices, or provider and provider_model"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "phrase"), COMPANY_FAULTS, ids=[row[3][:48] for row in COMPANY_FAULTS])
def test_fault_in_the_company(old: str, new: str, code: str, phrase: str) -> None:
    found = issues(swap(COMPANY, old, new))
    assert any(issue.code == code and phrase in issue.what for issue in found), [str(issue) for issue in found]


def test_a_due_date_after_the_plan_or_before_its_start() -> None:
    pretrain = """
  - {id: base, title: x, kind: pretrain, model: qwen3-8b, data_classes: [plant-data], train_tokens: 1.0e+9,
     demand: [{origin: plant, start_month: %s, due_month: %s}]}
"""
    text = swap(starter(), "\n# Quotes to buy ...", pretrain + "\n# Quotes to buy ...")
    loads(text % ("2027-02", "2027-09"))
    assert "due_month 2027-02 is not after start_month 2027-09" in issues(text % ("2027-09", "2027-02"))[0].what
    assert "due_month 2028-02 is after the plan ends" in issues(text % ("2027-09", "2028-02"))[0].what
    assert "due_month 2027-01 is not after the start" in issues(text % ("2026-09", "2027-01"))[0].what


def test_a_worth_or_a_penalty_alone_is_enough_to_serve_what_is_not_required() -> None:
    for kept in ("value_usd_per_unit: 0.1", "shed_usd_per_unit: 0.1"):
        loads(swap(starter(), "survives: node ", f"required: false\n    {kept} "))
    (issue,) = issues(swap(starter(), "survives: node ", "required: false "))
    assert issue.hint == "add value_usd_per_unit or shed_usd_per_unit above 0, or remove required: false"


def test_a_contract_minimum_may_count_on_blocks() -> None:
    blocks = (
        "blocks: [{id: b, usable_kw: 20, air_heat_kw: 1, liquid_heat_kw: 0, rack_slots_count: 1, price_usd: 1, "
        "lead_months: 1, max_count: 2}]"
    )
    text = swap(starter(), "      ups_tier: n+1\n", f"      ups_tier: n+1\n      {blocks}\n")
    loads(swap(text, "contract_minimum_kw: 0", "contract_minimum_kw: 100"))
    (issue,) = issues(swap(text, "contract_minimum_kw: 0", "contract_minimum_kw: 100.5"))
    assert "at most 100 kW are usable there" in issue.hint


OLD_NODES = (
    "existing: [{id: a, site: plant, server: l40s-8, nodes_count: 1, bought_month: 2026-01, "
    "maintenance_usd_per_year: 1, resale_usd: 1, resale_decline_per_year_rate: 0.1}]"
)


def test_a_site_with_nodes_is_open_already() -> None:
    text = swap(starter(), "# Quotes to buy ...", OLD_NODES)
    (issue,) = issues(text)
    assert (issue.code, "opening_usd 20000 of 'plant' would never be paid" in issue.what) == ("no-effect", True)
    assert issue.hint == "a site with existing hardware is open already: remove opening_usd"
    loads(text.replace("      opening_usd: 20000", "      #"))


BARN = """  - {id: barn, title: Barn, tier: line-edge, country: KR, owner_country: KR, operator_country: KR, parent_country: KR,
     key_holder_country: KR, utc_offset_h: 9, lan_rtt_p50_ms: 1, lan_rtt_p99_ms: 2, pue: 1.2, grid_carbon_kg_per_kwh: 0.4,
     hosting: {usable_kw: 20, ups_tier: n, pue_peak: 1.3, air_heat_kw: 20, liquid_heat_kw: 0, rack_slots_count: 2,
     rack_limit_kw: 20, tariff: kepco-industrial-eul-hv-a-2-2026, contract_minimum_kw: 0, intra_bucket_peak_factor: 1,
     opening_usd: 500, space_usd_per_kw_month: 0, import_duty_share: 0,
     staff: {existing_fte: 0, min_fte: 0, nodes_per_fte: 9, salary_usd_per_year: 1, training_usd_per_fte: 1}}}
"""


def _moving(*moves: str) -> str:
    """The starter with old nodes at its plant, and a barn where nothing is sold."""
    text = swap(starter().replace("      opening_usd: 20000", "      #"), "sites:\n", f"sites:\n{BARN}")
    listed = ", ".join(moves)
    return swap(text, "# Quotes to buy ...", OLD_NODES.replace("}]", f", moves: [{listed}]}}]"))


def test_nodes_may_move_to_a_site_that_sells_none() -> None:
    loaded = loads(_moving("{to: barn, usd_per_node: 900, lead_months: 0}"))
    ((move,),) = (item.moves for item in loaded.factory.existing)
    assert (move.to, move.usd_per_node, move.lead_months) == ("barn", 900, 0)


@pytest.mark.parametrize(
    ("moves", "code", "what"),
    [
        (["{to: plant, usd_per_node: 9, lead_months: 1}"], "no-effect", "nodes of 'a' stand at 'plant' already"),
        (["{to: %(cloud)s, usd_per_node: 9, lead_months: 1}"], "wrong-tier", "which has no hosting"),
        (["{to: barm, usd_per_node: 9, lead_months: 1}"], "unknown-name", "names no site"),
        (["{to: barn, usd_per_node: 9, lead_months: 1}"] * 2, "duplicate-name", "moves names barn twice"),
        (["{to: barn, usd_per_node: 0, lead_months: 1}"], "out-of-range", "usd_per_node"),
        (["{to: barn, usd_per_node: 9, lead_months: -1}"], "out-of-range", "lead_months"),
    ],
    ids=["own-site", "cloud", "unknown", "twice", "free", "before-it-leaves"],
)
def test_moves_that_cannot_be(moves: list[str], code: str, what: str) -> None:
    cloud = next(site.id for site in loads(starter()).factory.sites if site.hosting is None)
    found = issues(_moving(*(move.replace("%(cloud)s", cloud) for move in moves)))
    assert any(what in issue.what for issue in found), found
    assert code in {issue.code for issue in found}


@pytest.mark.parametrize(
    ("cut", "key", "empty"),
    [
        ("# What must run", "workloads", "workloads: []"),
        ("# What the data is", "data_classes", "data_classes: []"),
        ("# Places.", "sites", "sites: []"),
        ("# Hours of the week", "buckets", "buckets: []"),
    ],
)
def test_an_empty_table_is_said_in_words(cut: str, key: str, empty: str) -> None:
    head, rest = starter().split(cut, 1)
    table = rest.index(f"\n{key}:")
    after = rest.find("\n# ", table)
    text = f"{head}{cut}{rest[:table]}\n{empty}\n{rest[after:]}"
    found = [issue for issue in issues(text) if issue.code == "empty-list"]
    assert [issue.what for issue in found] == [f"{key} is empty"]
    assert "tuple" not in str(found[0])
    assert found[0].hint.startswith("give at least one")


def test_an_empty_list_of_an_item_is_said_in_words() -> None:
    found = issues(swap(starter(), "    sites: [plant]\n", "    sites: []\n"))
    assert "purchases[buy-l40s].sites is empty" in [issue.what for issue in found]


def test_a_zone_without_a_way_out() -> None:
    text = swap(starter(), "\n# Ways from", "\nzones: [{id: homes, title: Homes, country: US}]\n# Ways from")
    text = swap(text, "requests_per_s: 6}", "requests_per_s: 6}\n      - {origin: homes, requests_per_s: 1}")
    (issue,) = issues(text)
    assert "arises in 'homes', which has nothing that can serve it and no link to a site that has" in issue.what


def test_surviving_the_loss_of_a_site_needs_two_of_them() -> None:
    text = swap(starter(), "survives: node ", "survives: site ")
    loads(text)
    links = text[text.index("# Ways from") : text.index("# What must run")]
    found = issues(text.replace(links, ""))
    assert "reaches 'plant' only, so it cannot survive the loss of a site" in found[0].what


def test_a_bucket_of_the_reserved_name() -> None:
    found = issues(starter().replace("weekday-day", "peak"))
    assert [issue.code for issue in found] == ["reserved-id"]
    assert "buckets[peak].id = 'peak' is a reserved name" in found[0].what


def test_blocks_of_a_site_have_ids_of_their_own() -> None:
    block = (
        "{id: b, usable_kw: 1, air_heat_kw: 1, liquid_heat_kw: 0, rack_slots_count: 1, price_usd: 1, lead_months: 1}"
    )
    text = swap(starter(), "      ups_tier: n+1\n", f"      ups_tier: n+1\n      blocks: [{block}, {block}]\n")
    (issue,) = issues(text)
    assert "id 'b' stands twice in sites[plant].hosting.blocks" in issue.what


def test_sound_control_arithmetic_passes_at_its_bounds() -> None:
    for mode, replan in (("rtc", 5), ("rtc", 45), ("async", 50), ("sync", 1)):
        text = swap(COMPANY, "replan_every_steps: 25", f"replan_every_steps: {replan}")
        factory = loads(text if mode == "rtc" else swap(text, "mode: rtc", f"mode: {mode}")).factory
        (robots,) = (workload for workload in factory.workloads if workload.kind == "control")
        assert (robots.mode, robots.replan_every_steps) == (mode, replan)


# --- what has no effect yet ---------------------------------------------------------------------------------

NOT_YET: list[tuple[str, str, str]] = [
    ("groundplan: 1", "groundplan: 1\ndatasets: [{id: logs}]", "datasets is not supported yet"),
    ("groundplan: 1", "groundplan: 1\nstorage: []", "storage is not supported yet"),
    ("groundplan: 1", "groundplan: 1\npermits: []", "permits is not supported yet"),
    ("groundplan: 1", "groundplan: 1\ntenants: []", "tenants is not supported yet"),
    ("groundplan: 1", "groundplan: 1\nscenarios: []", "scenarios is not supported yet"),
    ("survives: node ", "isolation: slice ", "workloads[copilot].isolation = slice is not supported yet"),
    ("survives: node ", "isolation: shared ", "workloads[copilot].isolation = shared is not supported yet"),
    ("survives: node ", "autonomy_hours: 8 ", "workloads[copilot].autonomy_hours is not supported yet"),
    ("requests_per_s: 6}", "requests_per_s: 6, trace: a.csv}", "workloads[copilot].demand[0].trace is not supported yet"),
    ("    tier: site-dc\n", "    tier: site-dc\n    maintenance_window: x\n", "sites[plant].maintenance_window is not supported"),
    ("rtt_p50_ms: 25", "rtt_p50_ms: 25\n    availability: 0.999", "links[0].availability is not supported yet"),
    ("term: on-demand", "term: spot", "rentals[rent-l40s].term = spot is not supported yet"),
    ("# Quotes to buy ...", "existing: [{id: a, site: plant, server: l40s-8, nodes_count: 1, bought_month: 2026-01, "
     "maintenance_usd_per_year: 1, resale_usd: 1, resale_decline_per_year_rate: 0.1, move_to: plant}]", "existing[a].move_to is not supported"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "phrase"), NOT_YET, ids=[row[2][:40] for row in NOT_YET])
def test_not_supported_yet(old: str, new: str, phrase: str) -> None:
    (issue,) = issues(swap(starter(), old, new))
    assert issue.code == "not-supported-yet"
    assert phrase in issue.what
    assert issue.hint


def _at_confidence(value: str) -> str:
    return swap(starter(), "groundplan: 1", f"groundplan: 1\nspeed_confidence_share: {value}")


@pytest.mark.parametrize(("value", "read"), [("0.5", 0.5), ("0.99", 0.99), ("expected", "expected")])
def test_speeds_are_planned_at_a_share_or_as_expected(value: str, read: float | str) -> None:
    assert loads(_at_confidence(value)).factory.speed_confidence_share == read
    assert loads(starter()).factory.speed_confidence_share == 0.9


@pytest.mark.parametrize("value", ["0.49", "1", "90", "certain", "'0.9'", "true", "null", "[0.9]"])
def test_another_confidence_is_one_fault_that_names_both_ways(value: str) -> None:
    (issue,) = issues(_at_confidence(value))
    assert issue.where.endswith(":15")
    assert "speed_confidence_share" in issue.what
    assert "a number from 0.5 to 0.99, or the word expected" in issue.what
