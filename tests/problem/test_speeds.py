"""How much slower than expected a plan counts on each workload, and that its tables stand at those speeds."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from groundplan.catalog import Catalog
from groundplan.perf import deviation, operating_points
from groundplan.problem import Problem, Uncovered, build, latency_room
from groundplan.problem._speeds import Way, speed_deviations
from groundplan.spec import LoadedSpec, loads

CATALOG = Catalog.default()
WIDE, NARROW = deviation(1 / 2.0, 2.0), deviation(1 / 1.2, 1.2)


def starter(share: float | str | None, **level: float) -> LoadedSpec:
    text = files("groundplan.spec").joinpath("data/starter.yaml").read_text("utf-8")
    content: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(text), default=str))
    content["workloads"][0]["service_level"] |= level
    return loads(json.dumps(content if share is None else {**content, "speed_confidence_share": share}))


def workloads() -> list[Any]:
    return list(starter("expected").factory.workloads)


def test_a_dear_workload_is_planned_less_slow_than_a_cheap_one():
    dear, cheap = workloads()
    ways = [Way(100.0, 50.0, WIDE)], [Way(1.0, 50.0, WIDE)]
    found = speed_deviations(0.9, zip((dear, cheap), ways, strict=True))
    assert 1.2 < found[dear.id] < 1.6 < found[cheap.id]


def test_a_tight_level_leaves_its_safety_to_the_others():
    tight, wide = workloads()
    room = 2.0
    found = speed_deviations(0.9, [(tight, [Way(1.0, room, WIDE)]), (wide, [Way(1.0, 50.0, WIDE)])])
    assert np.exp(found[tight.id] * WIDE) < room
    assert found[tight.id] < found[wide.id]


def test_a_way_with_a_narrow_interval_opens_what_a_wide_one_could_not():
    tight, _ = workloads()
    room = 1.3
    alone = speed_deviations(0.9, [(tight, [Way(1.0, room, WIDE)])])[tight.id]
    measured = speed_deviations(0.9, [(tight, [Way(1.0, room, WIDE), Way(5.0, room, NARROW)])])[tight.id]
    assert np.exp(alone * WIDE) > room, "no allotment will do: planned as asked, so that the level refuses it"
    assert np.exp(measured * NARROW) < room


def test_a_workload_that_nothing_may_serve_takes_no_safety():
    mine, other = workloads()
    assert set(speed_deviations(0.9, [(mine, []), (other, [Way(1.0, 9.0, WIDE)])])) == {other.id}


@pytest.fixture(scope="module")
def built() -> dict[Any, Problem]:
    return {share: build(starter(share), CATALOG) for share in ("expected", None, 0.9)}


def test_the_default_is_nine_in_ten(built):
    assert built[None].points == built[0.9].points
    assert built[None].staffing == built[0.9].staffing
    assert built[None].speed_deviations == built[0.9].speed_deviations
    assert built["expected"].speed_deviations == {}


def test_tables_stand_at_the_planned_speed(built):
    slow, expected = built[0.9], {row.id: row for row in built["expected"].points}
    both = [row for row in slow.points if row.id in expected]
    assert both
    for row in both:
        own = expected[row.id]
        spread = deviation(own.error_low_factor, own.error_high_factor)
        factor = np.exp(slow.speed_deviations[row.workload] * spread)
        assert factor > 1.2
        assert own.capacity_per_s / row.capacity_per_s == pytest.approx(factor)


def test_a_level_that_only_expected_speed_meets_is_refused_at_nine_in_ten():
    probe = starter("expected").factory.workloads[0]
    server = CATALOG.server("l40s-8")
    tpot_ms = 1.3 * min(point.latency_ms["tpot"] for point in operating_points(probe, server, CATALOG).points)
    level = {"tpot_ms": round(tpot_ms, 2)}
    tight = starter("expected", **level).factory.workloads[0]
    points = operating_points(tight, server, CATALOG).points
    assert 1.0 < max(latency_room(tight, point, 0.0) for point in points) < 1.4
    assert build(starter("expected", **level), CATALOG).cells
    with pytest.raises(Uncovered, match="copilot"):
        build(starter(0.9, **level), CATALOG)
