"""The guide to the law says what the data say, and its house rule works as it stands."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from policy_cases import data, site
from ruamel.yaml import YAML

from groundplan.catalog import export_rules, rules
from groundplan.policy import as_of, residency
from groundplan.spec import HeldPermit, Rule


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "law.md").read_text(encoding="utf-8")


def test_every_rule_and_permit_is_in_the_guide(guide: str) -> None:
    named = re.findall(r"`([a-z0-9-]+?)(\.{3})?`", guide)
    for rule in (*rules(), *export_rules()):
        assert any(rule.id == name or (open_ and rule.id.startswith(name)) for name, open_ in named), rule.id
        permits = rule.unless if isinstance(rule, Rule) else rule.permits
        assert {name for name, _ in named} >= set(permits), rule.id


def test_the_date_in_the_guide_is_that_of_the_data(guide: str) -> None:
    assert f"as of {as_of().day} {as_of():%B %Y}" in guide


def test_the_house_rule_of_the_guide_works(guide: str) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL)
    read = YAML(typ="safe").load(block)
    (house,) = [Rule.model_validate(entry) for entry in read["rules"]]
    held = [HeldPermit.model_validate(entry) for entry in read["held_permits"]]
    where, held_data = site("KR", parent_country="US"), data("KR", "no-foreign-compulsion")
    law = (*rules(), house)
    refused = residency([held_data], where, rules=law, held_permits=held, on=date(2026, 6, 1))
    assert (refused.allowed, refused.rule) == (False, "house-core-technology")
    assert residency([held_data], where, rules=law, held_permits=held, on=date(2027, 6, 1)).allowed
    assert residency([held_data], site("KR"), rules=law, held_permits=(), on=date(2026, 6, 1)).allowed
