"""The JSON Schema that editors use agrees with the loader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundplan.spec import examples_path, schema, starter

jsonschema = pytest.importorskip("jsonschema")


def data_of(text: str) -> Any:
    """Read YAML as an editor does, dates as text."""
    return json.loads(json.dumps(YAML(typ="safe").load(text), default=str))


def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_starter_is_valid() -> None:
    assert list(validator().iter_errors(data_of(starter()))) == []


def test_example_is_valid() -> None:
    merged: dict[str, Any] = {}
    for path in sorted((examples_path() / "appliance-maker").glob("*.yaml")):
        merged |= data_of(path.read_text(encoding="utf-8"))
    assert list(validator().iter_errors(merged)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("usable_kw: 60 ", "usable_mw: 60 "),
        ("usable_kw: 60 ", "usable_kw: -60 "),
        ("usable_kw: 60 ", "usable_kw: '60' "),
        ("kind: vision", "kind: visoin"),
        ("tier: site-dc", "tier: site"),
        ("    model: qwen3-8b\n", ""),
        ("name: starter", "name: Starter One"),
        ("hours: [[7, 19]]", "hours: [[7, 12, 19]]"),
    ],
)
def test_broken_is_invalid(old: str, new: str) -> None:
    text = starter()
    assert text.count(old) == 1
    assert list(validator().iter_errors(data_of(text.replace(old, new))))


def test_every_key_is_explained() -> None:
    body = schema()
    assert body["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    parts = [body, *body["$defs"].values()]
    entries = [(name, entry) for part in parts for name, entry in part.get("properties", {}).items()]
    assert len(entries) > 150
    assert [name for name, entry in entries if entry["title"] != name or not entry["description"]] == []


def test_schema_is_json() -> None:
    assert json.loads(json.dumps(schema())) == schema()
