"""Every leaf of the file format does something: other values change the plan or the report, or are refused.

The leaves come from the JSON Schema, so a new key without an effect fails here. What counts, cheapest first:

1. `load`, `build` or `solve` refuses the changed file;
2. `verify` finds the old plan wrong under the changed file, so no delivered plan can be the same;
3. the report of the same plan reads differently (its dump of the file and its hashes left out);
4. operating points or staffing differ (they stand in the plan file);
5. the plan of the changed file is another text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import pytest
from leaves import changed, leaves, others, stated, value_at
from ruamel.yaml import YAML

from groundplan.catalog import Catalog
from groundplan.errors import GroundplanError, Issue, SpecError
from groundplan.optimize import solve
from groundplan.perf import operating_points, staffing
from groundplan.plan import Plan, plan_text
from groundplan.problem import build
from groundplan.report._facts import Facts
from groundplan.report._headline import banner, headline, title_of
from groundplan.report._page import SECTIONS
from groundplan.spec import LoadedSpec, load, schema
from groundplan.spec._load import _validated
from groundplan.verify import Report, verify

RICH = Path(__file__).with_name("rich.yaml")
CATALOG = Catalog.default().for_file(load(RICH))
SCHEMA = schema()
LEAVES = leaves(SCHEMA)
DRAWN = ("cost", "power")
"""Sections with charts: slow to draw, and their figures come from the plan."""
EXEMPT: dict[str, str] = {}
"""Leaves that may do nothing, each with its reason; at most three."""


# --- speeds, worked out once for each workload and server ---


@cache
def _points(workload: str, server: str) -> Any:
    return operating_points(_workloads[workload], CATALOG.server(server), CATALOG)


_workloads: dict[str, Any] = {}
_curves: dict[tuple[Any, ...], Any] = {}


def _known(workload: Any) -> str:
    """A workload as speeds see it: whole but for its text, so that no effect on speed can be missed."""
    text = workload.model_dump_json(exclude={"title"})
    return _workloads.setdefault(text, workload) and text


def _points_once(workload: Any, server: Any, _catalog: Any) -> Any:
    return _points(_known(workload), server.id)


def _staffing_once(workload: Any, point: Any, network_ms: float, load_max: float, store: Any) -> Any:
    key = (_known(workload), point.id, point.capacity_per_s, network_ms, load_max)
    if key not in _curves:
        _curves[key] = staffing(workload, point, network_ms, load_max, store)
    return _curves[key]


def _built(loaded: LoadedSpec, catalog: Catalog = CATALOG) -> Any:
    with (
        patch("groundplan.problem._build.operating_points", _points_once),
        patch("groundplan.problem._build.staffing", _staffing_once),
    ):
        return build(loaded, catalog)


# --- the base: a plan of the file as it stands ---


@dataclass(frozen=True)
class Base:
    """The unchanged file and what came of it."""

    document: dict[str, Any]
    loaded: LoadedSpec
    tables: tuple[Any, ...]
    plan: Plan
    judged: Report
    page: str


def _loaded(document: dict[str, Any]) -> LoadedSpec:
    """The document as `load` judges it; raises SpecError with what it is refused for."""
    factory, faults = _validated(document)
    if faults or factory is None:
        raise SpecError([Issue(fault.code, str(fault.path), fault.what) for fault in faults])
    return LoadedSpec(factory, "0" * 64, {}, RICH, {})


def _page(plan: Plan, loaded: LoadedSpec, judged: Report) -> str:
    facts = Facts(plan, loaded, CATALOG, judged)
    with patch.object(Catalog, "figure_counts", lambda _: {}):  # slow, and no leaf of the file changes it
        return "\n".join(map(str, _parts(facts)))


def _parts(facts: Facts) -> list[Any]:
    parts: list[Any] = [title_of(facts), facts.factory.title, banner(facts), headline(facts)]
    parts += ["".join(map(str, make(facts))) for key, _, make in SECTIONS if key not in DRAWN]
    return parts


@pytest.fixture(scope="module")
def base() -> Base:
    document = json.loads(json.dumps(YAML(typ="safe").load(RICH.read_text("utf-8")), default=str))
    loaded = _loaded(document)
    problem = _built(loaded)
    plan = solve(problem)
    judged = verify(plan, loaded, CATALOG)
    assert judged.findings == ()
    return Base(document, loaded, (problem.points, problem.staffing), plan, judged, _page(plan, loaded, judged))


# --- effects, cheapest first; each says whether it sees one ---


def _reads_differently(base: Base, loaded: LoadedSpec) -> bool:
    try:
        return _page(base.plan, loaded, base.judged) != base.page
    except (LookupError, StopIteration, GroundplanError):
        return False  # the old plan names what the changed file does not have: the next ones judge


def _is_found_wrong(base: Base, loaded: LoadedSpec) -> bool:
    return bool(verify(base.plan, loaded, CATALOG).findings)


def _rows(workload: Any, server: str) -> list[Any]:
    return [point.row() for point in _points_once(workload, CATALOG.server(server), CATALOG).points]


def _runs_at_another_speed(base: Base, loaded: LoadedSpec) -> bool:
    """Operating points of a workload that the base does not have as it stands here."""
    before = {workload.id: workload for workload in base.loaded.factory.workloads}
    servers = sorted({row.server for row in base.tables[0]})
    return any(
        _rows(workload, name) != _rows(before[workload.id], name)
        for workload in loaded.factory.workloads
        if workload.id in before and _known(workload) != _known(before[workload.id])
        for name in servers
    )


def _plans_differently(base: Base, loaded: LoadedSpec) -> bool:
    problem = _built(loaded)
    if (problem.points, problem.staffing) != base.tables:
        return True
    return plan_text(solve(problem)) != plan_text(base.plan)


EFFECTS: tuple[Callable[[Base, LoadedSpec], bool], ...] = (
    _is_found_wrong,
    _reads_differently,
    _runs_at_another_speed,
    _plans_differently,
)


def _has_effect(base: Base, document: dict[str, Any], effects: Any) -> bool:
    try:
        loaded = _loaded(document)
        return any(effect(base, loaded) for effect in effects)
    except GroundplanError:
        return True


def _variants(base: Base, pattern: str) -> Iterator[dict[str, Any]]:
    """Files that hold another value at the leaf; where the base must not state it, files that do."""
    paths = list(stated(base.document, pattern))
    for path in paths:
        for other in others(SCHEMA, pattern, value_at(base.document, path)):
            yield changed(base.document, path, other)
    if paths:
        return
    parent, _, name = pattern.rpartition(".")
    known = next((value_at(base.document, p) for p in _anywhere(base.document, name)), None)
    assert known is not None, f"rich.yaml states no {name}: add it where it has an effect"
    for path in stated(base.document, parent):
        yield from (changed(base.document, (*path, name), v) for v in (*others(SCHEMA, pattern, known), known))


def _anywhere(here: Any, name: str) -> Iterator[tuple[Any, ...]]:
    if isinstance(here, dict):
        for key, below in here.items():
            if key == name:
                yield (key,)
            yield from ((key, *path) for path in _anywhere(below, name))
    elif isinstance(here, list):
        for index, below in enumerate(here):
            yield from ((index, *path) for path in _anywhere(below, name))


@pytest.mark.parametrize("pattern", LEAVES)
def test_a_leaf_is_never_ignored(base, pattern):
    variants = list(_variants(base, pattern))
    assert variants, f"no other value is known for {pattern}"
    cheap = any(_has_effect(base, document, EFFECTS[:3]) for document in variants)
    seen = cheap or any(_has_effect(base, document, EFFECTS[3:]) for document in variants)
    assert seen or pattern in EXEMPT, f"{pattern} can be changed without any effect"


def test_leaves_come_from_the_whole_schema():
    assert len(LEAVES) > 250
    assert len(EXEMPT) <= 3
    assert {"sites.*.hosting.blocks.*.price_usd", "workloads.*<pretrain>.demand.*.due_month"} <= set(LEAVES)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__.strip("_"))
def test_the_unchanged_file_has_no_effect(base, effect):
    assert not effect(base, _loaded(base.document))


@pytest.mark.parametrize("table", ["links", "purchases", "rentals"])
def test_a_change_of_order_alone_is_no_effect_of_speed(base, table):
    turned = {**base.document, table: base.document[table][::-1]}
    assert not _runs_at_another_speed(base, _loaded(turned))


# --- the same factory: tariffs and determinism ---


def _flat() -> Catalog:
    """Every tariff with one price for each season, day and hour: the plain mean of its prices."""
    texts = dict(CATALOG.texts)
    parts = re.split(r"(?m)^(?=\[\[tariffs\]\])", texts["tariffs"])
    texts["tariffs"] = "".join(map(_flattened, parts))
    return Catalog(texts)


def _flattened(tariff: str) -> str:
    prices = [float(price) for price in re.findall(r"price_local_per_kwh = ([\d.]+)", tariff)]
    return re.sub(r"(price_local_per_kwh) = [\d.]+", rf"\1 = {mean(prices)}", tariff) if prices else tariff


def test_a_flat_tariff_moves_the_objective(base):
    plan = solve(_built(base.loaded, _flat()))
    moved = abs(plan.result.objective_usd - base.plan.result.objective_usd)
    # more than the gap explains: each objective is at most its own gap above the least cost
    assert moved > sum(row.objective_usd - row.bound_usd for row in (plan.result, base.plan.result)) + 1.0
    assert verify(base.plan, base.loaded, _flat()).families == {"hash"}
    claimed = base.plan.model_copy(update={"catalog_hash": _flat().content_hash})
    assert "cost" in verify(claimed, base.loaded, _flat()).families


def test_two_solves_give_the_same_text(base):
    again = solve(build(base.loaded, CATALOG))
    assert plan_text(again) == plan_text(base.plan)
