"""Export classes and verdicts: worked examples, dates, ownership, permits, blanks."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_cases import CHIPS, CONTROLLED_2022, NOW, bare_chip, chip, chip_class, permit, site

from groundplan.catalog import CountryGroup, assumed_members, country_group, export_paragraphs, export_rules
from groundplan.catalog._rules import _groups
from groundplan.errors import CatalogError
from groundplan.policy import Verdict, export, export_all, export_class

TODAY = NOW
BEFORE_LANE = date(2026, 1, 14)
COUNTRIES = ("KR", "US", "VN", "CN", "HK", "MO", "DE", "IR", "AE", "IL", "TW", "KH")
PERMITS = ("bis-licence", "nac-notification", "supplier-bis-evidence")


def _to(name: str, country: str, on: date = TODAY, *held: str, **facts: str) -> Verdict:
    return export(chip(name), site=site(country, **facts), on=on, held_permits=[permit(one) for one in held])


# --- classes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHIPS)
def test_class_since_2023(name: str) -> None:
    found = export_class(chip(name), TODAY)
    assert found.paragraph == chip_class(name)
    assert found.tpp == pytest.approx(CHIPS[name][2] * CHIPS[name][3])


@pytest.mark.parametrize("name", CHIPS)
def test_class_of_2022_needs_interconnect_too(name: str) -> None:
    expected = "3A090-2022" if name in CONTROLLED_2022 else "not 3A090"
    assert export_class(chip(name), date(2022, 10, 21)).paragraph == expected


def test_densities_of_the_worked_examples() -> None:
    published = {"a100": 6.04, "h100": 19.45, "h20": 2.91, "l40s": 9.64, "l4": 6.59, "mi210": 3.67}
    found = {name: export_class(chip(name), TODAY).performance_density for name in published}
    assert found == pytest.approx(published, abs=0.011)


def test_nothing_is_classed_before_the_first_rule() -> None:
    assert export_class(chip("h100"), date(2022, 10, 20)).paragraph == "not 3A090"


@pytest.mark.parametrize(
    ("tops", "die_mm2", "paragraph"),
    [
        (300, 814, "3A090.a.1"),  # 4800 exactly
        (299.9, 814, "3A090.b.1"),  # density 5.89
        (299.9, 810, "3A090.a.2"),  # density 5.924
        (149.9, 814, "not 3A090"),  # 2398, density 2.95
        (149.9, 749, "3A090.b.2"),  # density 3.202
        (99.9, 100, "not 3A090"),  # 1598, dense as it may be
        (150, 1500, "3A090.b.1"),  # 2400, density 1.6
        (150, 1501, "not 3A090"),
    ],
)
def test_paragraph_bounds(tops: float, die_mm2: float, paragraph: str) -> None:
    row = bare_chip("x", dense_bf16_tflops=tops, applicable_die_mm2=die_mm2)
    assert export_class(row, TODAY).paragraph == paragraph


def test_truth_table_is_reproduced(shared: Path) -> None:
    with (shared / "truth" / "export.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) >= 15
    for row in rows:
        found = export_class(_from_table(row), date(2023, 11, 17))
        assert found.tpp == pytest.approx(float(row["TPP"]), rel=2e-3), row["chip"]
        assert _short(found.paragraph) == _short(row["eccn_2023-11-17"]), row["chip"]
        early = export_class(_from_table(row), date(2023, 1, 1)).paragraph == "3A090-2022"
        assert early == row["class_2022-10-07"].startswith("controlled"), row["chip"]


def _from_table(row: dict[str, str]) -> object:
    fields = {4: "dense_fp4_tflops", 8: "dense_int8_tops", 16: "dense_bf16_tflops"}
    io = float(row["interconnect_GBps"])
    return bare_chip(
        "row",
        vendor=row["chip"].split()[0],
        market="datacenter" if row["datacentre_part"] == "True" else "edge",
        applicable_die_mm2=float(row["die_mm2"]) if row["die_mm2"] else None,
        mem_bw_gb_per_s=float(row["dram_GBps"]),
        scaleup_gb_per_s_per_direction=io / 2 if io > 100 else None,
        pcie_gb_per_s_per_direction=0.001 if io > 100 else io / 2,
        **{fields[int(row["bit_length"])]: float(row["best_dense_tops"])},
    )


def _short(text: str) -> str:
    for name in ("a.1", "a.2", "b.1", "b.2"):
        if name in text:
            return name
    return "note 2" if text == "3A090-note-2" or text.startswith("3A090 non-datacentre") else "not 3A090"


# --- planner cases -------------------------------------------------------------------------------------


def test_korea_is_free() -> None:
    for name in CHIPS:
        verdict = _to(name, "KR")
        assert verdict.allowed
        assert verdict.rule == ("us-gp10" if name == "ascend-910b" else "")


def test_vietnam_needs_a_licence_for_data_centre_chips_only() -> None:
    verdict = _to("h100", "VN")
    assert (verdict.allowed, verdict.rule) == (False, "us-3a090a-d1-d4")
    assert "TPP 15832, density 19.45, data-centre part) -> 3A090.a.1 -> us-3a090a-d1-d4 needs a licence" in verdict.why
    assert "site s is in VN" in verdict.why
    assert _to("h100", "VN", TODAY, "bis-licence").allowed
    assert _to("jetson-thor", "VN") == Verdict(True, "", f"no export rule in force on {TODAY} speaks of it at site s")
    exempt = _to("mi210", "VN")
    assert (exempt.allowed, exempt.rule) == (True, "us-3a090b-aca")


def test_korean_firm_in_china_by_date() -> None:
    assert _to("h200", "CN", BEFORE_LANE).rule == "us-3a090a-2023"
    lane = _to("h200", "CN")
    assert (lane.allowed, lane.rule) == (False, "us-h200")
    assert "Case-by-case" in lane.why
    assert _to("b200", "CN").rule == "us-3a090a-cn-tpp"
    assert _to("h100", "RU").rule == "us-3a090a"


def test_dram_alone_closes_the_case_by_case_lane() -> None:
    row = chip("h200", mem_bw_gb_per_s=6500)
    assert export(row, site=site("CN"), on=TODAY).rule == "us-3a090a-cn-dram"
    assert export(chip("h200", mem_bw_gb_per_s=6499), site=site("CN"), on=TODAY).rule == "us-h200"


def test_chinese_parent_in_frankfurt() -> None:
    for fact in ("owner_country", "operator_country", "parent_country"):
        verdict = _to("h100", "DE", **{fact: "CN"})
        assert (verdict.allowed, verdict.rule) == (False, "us-hq")
        assert f"{fact.removesuffix('_country')} of site s is CN" in verdict.why
    assert _to("h100", "DE").allowed
    assert _to("h100", "DE", key_holder_country="CN").allowed
    assert _to("h100", "DE", date(2023, 11, 16), parent_country="CN").allowed
    assert _to("rtx-4090", "DE", parent_country="CN").rule == "us-hq-nac"
    assert _to("h100", "US", parent_country="CN").allowed


def test_mexico_against_zhengzhou() -> None:
    assert _to("b200", "MX", parent_country="TW").allowed
    assert not _to("b200", "CN", parent_country="TW").allowed


def test_first_control_by_date_and_destination() -> None:
    assert _to("a100", "CN", date(2022, 10, 20)).allowed
    assert _to("a100", "CN", date(2022, 10, 21)).rule == "us-3a090-2022"
    assert _to("h800", "CN", date(2023, 11, 16)).allowed
    assert _to("h800", "CN", date(2023, 11, 17)).rule == "us-3a090a-2023"
    assert _to("a100", "MO", date(2023, 1, 16)).allowed
    assert not _to("a100", "MO", date(2023, 1, 17)).allowed


def test_letters_of_april_2025() -> None:
    assert _to("h20", "CN", date(2025, 4, 8)).allowed
    assert _to("h20", "CN", date(2025, 4, 9)).rule == "us-letter-dram"
    assert _to("h20", "VN").allowed
    assert _to("h20", "DE", parent_country="CN").rule == "us-letter-dram"
    assert _to("mi210", "CN", TODAY, "nac-notification").rule == "us-letter-dram"
    other = chip("h20", vendor="Rebellions", vendor_country="KR")
    assert export(other, site=site("CN"), on=TODAY).allowed
    io = bare_chip("x", dense_bf16_tflops=50, mem_bw_gb_per_s=500, scaleup_gb_per_s_per_direction=450,
                   pcie_gb_per_s_per_direction=100)  # fmt: skip
    assert export(io, site=site("CN"), on=TODAY).rule == "us-letter-io"
    both = bare_chip("x", dense_bf16_tflops=50, mem_bw_gb_per_s=1300, scaleup_gb_per_s_per_direction=200,
                     pcie_gb_per_s_per_direction=1)  # fmt: skip
    assert export(both, site=site("CN"), on=TODAY).rule == "us-letter-sum"


def test_consumer_chip_goes_to_china_on_notice() -> None:
    assert _to("rtx-4090", "CN").rule == "us-3a090b-nac"
    assert _to("rtx-4090", "CN", TODAY, "nac-notification").allowed
    assert _to("h100", "CN", TODAY, "nac-notification").allowed is False


def test_chinese_chip_warns_anywhere_and_forbids_nothing() -> None:
    for country in ("KR", "US", "CN", "DE"):
        verdict = _to("ascend-910b", country)
        assert (verdict.allowed, verdict.rule) == (True, "us-gp10")
    assert _to("ascend-910b", "KR", date(2025, 5, 12)).rule == ""
    assert _to("ascend-910b", "KR", TODAY, "supplier-bis-evidence").rule == ""


def test_israel_and_taiwan_are_no_destinations_of_control() -> None:
    assert _to("h100", "IL").allowed
    assert _to("h100", "TW").allowed
    assert not _to("h100", "AE").allowed


def test_country_groups_are_dated() -> None:
    assert "KH" in country_group("D:5", date(2026, 2, 2))
    assert "KH" not in country_group("D:5", date(2026, 2, 3))
    assert _to("h100", "KH", date(2026, 2, 2)).rule == "us-3a090a"
    assert _to("h100", "KH", date(2026, 2, 3)).rule == "us-3a090a-d1-d4"
    with pytest.raises(CatalogError, match="D:9"):
        country_group("D:9", TODAY)


LISTED = {
    "D:1": "AM AZ BY CN GE IQ KG KH KP KZ LA LY MD MM MN MO NI RU TJ TM UZ VE VN YE",
    "D:4": "AE BH BY CN EG IL IQ IR JO KP KW LB LY MO OM PK QA RU SA SY VE YE",
    "D:5": "AF BY CD CF CN CU ER HT IQ IR KP LB LY MM NI RU SD SO SS SY VE ZW",
}
"""15 CFR 740 supplement 1 as transcribed on 2026-07-08."""


@pytest.mark.parametrize("name", LISTED)
def test_groups_are_the_table_and_what_is_assumed_beyond_it(name: str) -> None:
    members = country_group(name, date(2026, 7, 8))
    assert members - assumed_members(name) == set(LISTED[name].split())
    assert assumed_members(name) <= members
    assert "2026-07-08" in _groups()[name].cite


def test_nicaragua_is_arms_embargoed_since_2024() -> None:
    for name in ("D:1", "D:5"):
        assert "NI" not in country_group(name, date(2024, 3, 14))
        assert "NI" in country_group(name, date(2024, 3, 15))


def test_an_assumed_membership_is_said_in_the_verdict() -> None:
    assert "group D:5 (that ET is in it is assumed) -> site" in _to("h100", "ET").why
    assert "assumed" not in _to("h100", "RU").why


def test_a_group_cannot_assume_a_country_that_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="assumed names no member: XX"):
        CountryGroup(members=("CN",), assumed=("XX",), cite="c")


def test_servers_without_accelerators_pass() -> None:
    assert export(None, site=site("CN"), on=TODAY).allowed


# --- blanks --------------------------------------------------------------------------------------------


def test_blank_die_area_refuses_where_it_decides() -> None:
    row = chip("l4", applicable_die_mm2=None)
    assert export_class(row, TODAY).paragraph == "undetermined"
    verdict = export(row, site=site("VN"), on=TODAY)
    assert not verdict.allowed
    assert "lacks applicable_die_mm2, which could decide: add it" in verdict.why
    assert export(row, site=site("KR"), on=TODAY).allowed


def test_blank_die_area_is_no_matter_where_it_cannot_decide() -> None:
    assert export_class(chip("h100", applicable_die_mm2=None), TODAY).paragraph == "3A090.a.1"
    small = bare_chip("small", dense_int8_tops=100, pcie_gb_per_s_per_direction=32, mem_bw_gb_per_s=200)
    assert export_class(small, TODAY).paragraph == "not 3A090"
    assert export(small, site=site("CN"), on=TODAY).allowed


def test_blank_rates_refuse() -> None:
    row = bare_chip("mystery", mem_bw_gb_per_s=100, pcie_gb_per_s_per_direction=32)
    found = export_class(row, TODAY)
    assert (found.tpp, found.performance_density, found.paragraph) == (None, None, "undetermined")
    assert "a dense tensor rate" in export(row, site=site("CN"), on=TODAY).why
    assert not export(row, site=site("VN"), on=TODAY).allowed
    assert export(row, site=site("KR"), on=TODAY).allowed


def test_blank_bandwidths_refuse_in_china() -> None:
    row = chip("h20", mem_bw_gb_per_s=None)
    assert "lacks mem_bw_gb_per_s" in export(row, site=site("CN"), on=TODAY).why
    row = chip("h20", mem_bw_gb_per_s=900, scaleup_gb_per_s_per_direction=None, pcie_gb_per_s_per_direction=None)
    assert "lacks pcie_gb_per_s_per_direction" in export(row, site=site("CN"), on=TODAY).why
    module = chip("jetson-orin", pcie_gb_per_s_per_direction=None)
    assert export(module, site=site("CN"), on=TODAY).allowed


def test_a_permit_that_lifts_the_rule_makes_the_blank_idle() -> None:
    row = chip("l4", applicable_die_mm2=None)
    assert export(row, site=site("VN"), on=TODAY, held_permits=[permit("bis-licence")]).allowed


# --- the records, and what always holds ----------------------------------------------------------------


def test_every_rule_can_refuse_or_warn_somewhere() -> None:
    """No dead rule: some chip, place, owner and date of the cases above meets each of them."""
    met = set()
    extra = [
        chip("h200", mem_bw_gb_per_s=6500),
        bare_chip("io", dense_bf16_tflops=50, scaleup_gb_per_s_per_direction=600, pcie_gb_per_s_per_direction=1,
                  mem_bw_gb_per_s=1200),
    ]  # fmt: skip
    for row in [*map(chip, CHIPS), *extra]:
        for country in ("CN", "VN", "RU", "DE"):
            for on in (date(2023, 1, 1), date(2024, 1, 1), TODAY):
                where = site(country, parent_country="CN")
                met |= {verdict.rule for verdict in export_all(row, site=where, on=on)}
    assert met == {rule.id for rule in export_rules()}


def test_paragraphs_and_rules_cite() -> None:
    ids = [rule.id for rule in export_rules()]
    assert len(ids) == len(set(ids))
    assert all(entry.cite and entry.note for entry in (*export_paragraphs(), *export_rules()))
    assert all(rule.permits for rule in export_rules() if rule.outcome != "warn")


names = st.sampled_from(sorted(CHIPS))
days = st.dates(date(2022, 1, 1), date(2030, 1, 1))
blanks = st.sets(st.sampled_from(["applicable_die_mm2", "mem_bw_gb_per_s", "pcie_gb_per_s_per_direction"]))


@given(
    names,
    st.sampled_from(COUNTRIES),
    st.sampled_from(COUNTRIES),
    days,
    st.sets(st.sampled_from(PERMITS)),
    st.sampled_from(PERMITS),
)
def test_a_permit_never_forbids(name: str, country: str, parent: str, on: date, held: set, extra: str) -> None:
    where = site(country, parent_country=parent)
    before = export_all(chip(name), site=where, on=on, held_permits=[permit(one) for one in held])
    after = export_all(chip(name), site=where, on=on, held_permits=[permit(one) for one in {*held, extra}])
    assert set(after) <= set(before)


@given(names, st.sampled_from(COUNTRIES), st.sampled_from(COUNTRIES), days, blanks)
def test_a_blank_never_frees(name: str, country: str, parent: str, on: date, blank: set) -> None:
    """Whatever is refused with full figures stays refused when some of them are blanked."""
    where = site(country, parent_country=parent)
    full = export(chip(name), site=where, on=on)
    scaleup = {"scaleup_gb_per_s_per_direction": None} if "pcie_gb_per_s_per_direction" in blank else {}
    bare = export(chip(name, **dict.fromkeys(blank), **scaleup), site=where, on=on)
    assert full.allowed or not bare.allowed
