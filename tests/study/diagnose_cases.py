"""The example, cut to a few workloads and short periods so that it builds in seconds, and spoilt one way at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.problem import Change, Problem, Uncovered, applied, build
from groundplan.spec import Factory, LoadedSpec, load

Edit = Callable[[dict[str, Any]], None]


@cache
def _example() -> dict[str, Any]:
    loaded = load(Path(__file__).resolve().parents[2] / "examples" / "appliance-maker")
    return loaded.factory.model_dump(mode="json", exclude_unset=True)


def row(values: dict[str, Any], table: str, name: str) -> dict[str, Any]:
    """One entry of a table of the file."""
    return next(entry for entry in values[table] if entry["id"] == name)


def sibling(workloads: Iterable[str], *edits: Edit) -> LoadedSpec:
    """The example with these workloads over four quarters and two years, and with edits."""
    kept, values = set(workloads), deepcopy(_example())
    values["workloads"] = [entry for entry in values["workloads"] if entry["id"] in kept]
    values["token_offers"] = [entry for entry in values["token_offers"] if kept.issuperset(entry["workloads"])]
    values["on_premise_floors"] = [e for e in values["on_premise_floors"] if kept.issuperset(e["workloads"])]
    values["periods"] = {"months": 0, "quarters": 4, "years": 1}
    values["solve"] = {"gap_share": 0.05}
    for key in values["budgets"]:
        values["budgets"][key] = values["budgets"][key][:2]
    for entry in values["purchases"]:
        entry["deliveries"] = [d for d in entry.get("deliveries", []) if d["month"] < "2029"]
    for edit in edits:
        edit(values)
    return _loaded(Factory.model_validate_json(json.dumps(values), strict=True))


def _loaded(factory: Factory) -> LoadedSpec:
    """Without the checks for parts that nothing uses, of which a cut file has many."""
    return LoadedSpec(factory, "sibling", {(): 1}, Path("sibling.yaml"), {(): "sibling.yaml"})


def problem_of(loaded: LoadedSpec) -> Problem:
    """Its problem, covered or not."""
    try:
        return build(loaded, Catalog.default())
    except Uncovered as error:
        return error.problem


def mended(loaded: LoadedSpec, changes: Iterable[Change]) -> LoadedSpec:
    """The file with changes made."""
    return _loaded(applied(loaded.factory, changes))
