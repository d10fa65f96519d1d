"""Small companies for studies: the starter that `groundplan init` writes, with edits."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from groundplan.catalog import Catalog
from groundplan.spec import LoadedSpec, loads
from groundplan.study import Base, Planned

CATALOG = Catalog.default()
QUOTE = {"who": "synthetic quote", "kind": "assumed", "confidence": "low"}


def starter() -> dict[str, Any]:
    """The starter's content at expected speeds, free to be edited."""
    text = files("groundplan.spec").joinpath("data/starter.yaml").read_text("utf-8")
    content = json.loads(json.dumps(YAML(typ="safe").load(text), default=str))
    return {**content, "speed_confidence_share": "expected"}


def edited(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy with top-level keys replaced."""
    return {**copy.deepcopy(content), **changes}


def read(content: dict[str, Any]) -> LoadedSpec:
    """As if it stood in a file."""
    return loads(json.dumps(content))


def planned(loaded: LoadedSpec) -> tuple[Base, Any, Planned]:
    """Base, problem and the recommended plan."""
    base, problem = Base.of(loaded, CATALOG, lambda _: None)
    return base, problem, base.planned(problem, loaded)


def site(content: dict[str, Any], name: str, country: str, **changes: Any) -> dict[str, Any]:
    """A site like the plant, elsewhere."""
    plant = copy.deepcopy(next(row for row in content["sites"] if row["id"] == "plant"))
    facts = dict.fromkeys(
        ("country", "owner_country", "operator_country", "parent_country", "key_holder_country"), country
    )
    return {**plant, "id": name, "title": name, **facts, **changes}
