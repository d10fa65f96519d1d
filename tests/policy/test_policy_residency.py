"""Each residency rule on both sides, by date and by permit; unknown labels; monotone answers."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_cases import NOW, data, permit, site

from groundplan.catalog import free_labels, rules
from groundplan.errors import SpecError
from groundplan.policy import Verdict, as_of, label_issues, residency, residency_all, stale_warning
from groundplan.spec import DataClass, Rule, RuleForbid, RuleWhen

RULES = rules()
BY_ID = {rule.id: rule for rule in RULES}
COUNTRIES = ("KR", "VN", "CN", "US", "DE", "JP", "GB", "TW")
FACTS = ("owner_country", "operator_country", "parent_country", "key_holder_country")


def _judge(data_class: DataClass, where: object, on: date = NOW, held: tuple = (), law: object = RULES) -> Verdict:
    return residency([data_class], where, rules=law, held_permits=held, on=on)


# --- the records ---------------------------------------------------------------------------------------


def test_ids_are_unique_and_every_rule_cites() -> None:
    assert len(BY_ID) == len(RULES) >= 15
    assert all(rule.cite and rule.note and rule.severity == "law" for rule in RULES)


def test_vintages_of_one_law_never_overlap() -> None:
    for rule in RULES:
        for other in RULES:
            if rule is not other and rule.when == other.when:
                first, second = sorted((rule, other), key=lambda entry: entry.from_date)
                assert first.until_date is not None
                assert first.until_date <= second.from_date


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_binds_outside_its_countries_only(rule: Rule) -> None:
    held = data(str(rule.when.law_of), rule.when.labels[0])
    on = rule.from_date
    for home in rule.forbid.outside:
        assert _judge(held, site(home), on).allowed
    verdict = _judge(held, site("ZA", "cape"), on)
    assert (verdict.allowed, verdict.rule) == (False, rule.id)
    assert f"country of site cape is ZA; a permit {' or '.join(rule.unless)} would lift it" in verdict.why


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_binds_between_its_dates_only(rule: Rule) -> None:
    held = data(str(rule.when.law_of), rule.when.labels[0])
    alone = (rule,)
    assert _judge(held, site("ZA"), rule.from_date - timedelta(1), law=alone).allowed
    assert not _judge(held, site("ZA"), rule.from_date, law=alone).allowed
    if rule.until_date is not None:
        assert not _judge(held, site("ZA"), rule.until_date - timedelta(1), law=alone).allowed
        assert _judge(held, site("ZA"), rule.until_date, law=alone).allowed


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_any_of_its_permits_lifts_a_rule(rule: Rule) -> None:
    held = data(str(rule.when.law_of), rule.when.labels[0])
    for name in rule.unless:
        assert _judge(held, site("ZA"), rule.from_date, (permit(name, "2018-01"),)).allowed
    assert not _judge(held, site("ZA"), rule.from_date, (permit("other", "2018-01"),)).allowed


# --- facts of a site -----------------------------------------------------------------------------------


def test_proof_path_names_data_rule_and_site_fact() -> None:
    verdict = _judge(data("KR", "nct", name="process-recipes"), site("KR", "public-seoul", operator_country="US"))
    assert verdict.rule == "kr-nct"
    assert verdict.why == (
        "data class process-recipes carries nct (KR) -> kr-nct forbids store, process and access where country or "
        "operator is outside KR -> operator of site public-seoul is US; a permit motir-approval would lift it"
    )


@pytest.mark.parametrize("fact", ["country", "owner", "operator", "parent", "key_holder"])
def test_each_site_fact_can_be_asked_for(fact: str) -> None:
    forbid = RuleForbid(verbs=("access",), outside=("KR",), facts=(fact,))
    rule = BY_ID["kr-nct"].model_copy(update={"id": "house", "forbid": forbid, "unless": ()})
    field = "country" if fact == "country" else f"{fact}_country"
    for other in ("country", *FACTS):
        moved = site("KR").model_copy(update={other: "US"})
        assert _judge(data("KR", "nct"), moved, law=(rule,)).allowed == (other != field)
    why = _judge(data("KR", "nct"), site("KR").model_copy(update={field: "US"}), law=(rule,)).why
    assert why.endswith(f"{fact.replace('_', ' ')} of site s is US; no permit lifts it")


def test_verbs_are_named_and_all_are_done_at_a_site() -> None:
    for verb in ("store", "process", "access"):
        forbid = RuleForbid(verbs=(verb,), outside=("KR",), facts=("country",))
        rule = BY_ID["kr-nct"].model_copy(update={"forbid": forbid})
        assert f"forbids {verb} where country is" in _judge(data("KR", "nct"), site("US"), law=(rule,)).why


def test_korean_personal_data_in_europe_since_the_equivalency() -> None:
    personal = data("KR", "personal")
    assert not _judge(personal, site("DE"), date(2025, 9, 15)).allowed
    assert _judge(personal, site("DE"), date(2025, 9, 16)).allowed
    assert not _judge(data("KR", "personal", "credit"), site("DE"), date(2025, 9, 16)).allowed


def test_european_personal_data_by_adequacy() -> None:
    personal = data("EU", "personal")
    assert [_judge(personal, site(where)).allowed for where in ("KR", "JP", "NO", "CH")] == [True] * 4
    assert [_judge(personal, site(where)).allowed for where in ("US", "CN", "VN")] == [False] * 3
    assert not _judge(personal, site("KR"), date(2021, 12, 16)).allowed


def test_chinese_volume_tiers() -> None:
    contract = (permit("cn-standard-contract"),)
    allowed = {
        tier: _judge(data("CN", tier), site("KR"), held=contract).allowed
        for tier in ("personal-under-100k", "personal-100k-to-1m", "personal-over-1m", "personal")
    }
    assert list(allowed.values()) == [True, True, False, False]


def test_law_attaches_to_its_own_data_only() -> None:
    assert _judge(data("VN", "personal"), site("KR")).rule == "vn-pdpl-transfer"
    assert _judge(data("US", "personal"), site("KR")).allowed


# --- several rules, permits by date --------------------------------------------------------------------


def test_all_refusals_are_there_and_the_first_is_named() -> None:
    classes = [data("KR", "personal", "nct", name="a"), data("VN", "core", name="b")]
    every = residency_all(classes, site("US"), rules=RULES, held_permits=(), on=NOW)
    assert [verdict.rule for verdict in every] == ["kr-nct", "kr-pipa-transfer", "vn-core"]
    assert residency(classes, site("US"), rules=RULES, on=NOW) == every[0]
    lifted = residency(classes, site("US"), rules=RULES, held_permits=(permit("motir-approval"),), on=NOW)
    assert lifted == every[1]


def test_permit_counts_from_its_month_until_its_month() -> None:
    held = (permit("motir-approval", "2026-03", "2026-05"),)
    days = [date(2026, 2, 28), date(2026, 3, 1), date(2026, 4, 30), date(2026, 5, 1)]
    allowed = [_judge(data("KR", "nct"), site("VN"), day, held).allowed for day in days]
    assert allowed == [False, True, True, False]


def test_house_rule_joins_the_law() -> None:
    house = Rule(
        id="house-no-foreign-parent",
        when=RuleWhen(labels=("no-foreign-compulsion",)),
        forbid=RuleForbid(verbs=("store",), outside=("KR",), facts=("parent", "key_holder")),
        from_date=date(2026, 1, 1),
        cite="board decision",
        note="No parent abroad can be compelled to hand over the data.",
        severity="house",
    )
    held = data("KR", "no-foreign-compulsion")
    assert _judge(held, site("KR", parent_country="US"), law=(*RULES, house)).rule == house.id
    assert _judge(held, site("KR"), law=(*RULES, house)).allowed
    with pytest.raises(SpecError, match="no-foreign-compulsion"):
        _judge(held, site("KR"))


# --- unknown labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("free", free_labels(), ids=lambda free: "-".join((free.label, *free.laws)))
def test_free_labels_go_anywhere(free: object) -> None:
    assert _judge(data((*free.laws, "KR")[0], free.label), site("ZA")).allowed


def test_misspelled_label_is_refused_with_the_near_one() -> None:
    with pytest.raises(SpecError) as caught:
        residency([data("KR", "ntc", "persnal", name="x")], site("KR"), rules=RULES, on=NOW)
    hints = {issue.where: issue.hint for issue in caught.value.issues}
    assert list(hints) == ["data_classes.x.labels"]
    assert ["did you mean nct" in issue.hint or "personal" in issue.hint for issue in caught.value.issues] == [True] * 2


def test_label_of_another_law_is_as_unknown() -> None:
    (issue,) = label_issues([data("DE", "personal")], RULES)
    assert issue.code == "label-unknown"
    assert issue.hint.startswith("known under the law of CN, EU, JP, KR, TW, US, VN")
    assert label_issues([data("EU", "personal")]) == ()


def test_law_not_chosen_leaves_its_labels_known() -> None:
    assert _judge(data("KR", "nct"), site("US"), law=(BY_ID["eu-gdpr-transfer"],)).allowed


# --- monotone ------------------------------------------------------------------------------------------

LABELS = {
    law: sorted(
        {label for rule in RULES if rule.when.law_of == law for label in rule.when.labels}
        | {free.label for free in free_labels() if law in free.laws or not free.laws}
    )
    for law in ("KR", "VN", "CN", "EU", "JP", "US")
}
PERMITS = sorted({name for rule in RULES for name in rule.unless})
days = st.dates(date(2018, 6, 1), date(2030, 1, 1))
sites = st.builds(
    lambda codes: site(codes[0], **dict(zip(FACTS, codes[1:], strict=True))),
    st.lists(st.sampled_from(COUNTRIES), min_size=5, max_size=5),
)
classes = st.sampled_from(sorted(LABELS)).flatmap(
    lambda law: st.builds(
        lambda some: data(law, *some), st.lists(st.sampled_from(LABELS[law]), min_size=1, unique=True)
    )
)
some_permits = st.lists(st.sampled_from(PERMITS), unique=True).map(lambda names: tuple(map(permit, names)))


@given(classes, sites, days, some_permits, st.sampled_from(PERMITS))
def test_a_permit_never_forbids(held: DataClass, where: object, on: date, permits: tuple, extra: str) -> None:
    before = {verdict.rule for verdict in _all(held, where, on, permits)}
    after = {verdict.rule for verdict in _all(held, where, on, (*permits, permit(extra)))}
    assert after <= before


@given(classes, sites, days, some_permits, st.data())
def test_a_label_never_allows(held: DataClass, where: object, on: date, permits: tuple, draw: st.DataObject) -> None:
    extra = draw.draw(st.sampled_from(LABELS[held.law_of]))
    more = data(held.law_of, *held.labels, extra)
    before = {verdict.rule for verdict in _all(held, where, on, permits)}
    assert before <= {verdict.rule for verdict in _all(more, where, on, permits)}


def _all(held: DataClass, where: object, on: date, permits: tuple) -> tuple[Verdict, ...]:
    return residency_all([held], where, rules=RULES, held_permits=permits, on=on)


# --- age of the law ------------------------------------------------------------------------------------


def test_rules_older_than_sixty_days_say_so() -> None:
    assert as_of() == date(2026, 9, 15)
    assert stale_warning(as_of() + timedelta(60)) is None
    assert "61 days old" in str(stale_warning(as_of() + timedelta(61)))
