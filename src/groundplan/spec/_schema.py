"""What helps to write a factory file: the JSON Schema for editors, and a starter."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from groundplan.spec._factory import Factory
from groundplan.spec._faults import unit_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a factory file, with the text of the documentation on every key."""
    body = Factory.model_json_schema(mode="validation")
    for part in (body, *body["$defs"].values()):
        for name, entry in part.get("properties", {}).items():
            entry["title"] = name
            entry.setdefault("description", unit_text(name) or name.replace("_", " "))
    return {"$schema": DIALECT, **body, "title": "groundplan factory file"}


def starter() -> str:
    """A commented factory file of one plant and one cloud, which loads and can be planned as it is."""
    return (files("groundplan.spec") / "data" / "starter.yaml").read_text("utf-8")
