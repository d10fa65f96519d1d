"""``anchor`` and what uses it: comparison, file, estimate, plan and report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from groundplan.catalog import Catalog
from groundplan.problem import build
from groundplan.spec import load, read_measured, starter

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "benchmark").glob("*.json"))
DEPLOYED = ("--model", "qwen3-8b", "--on", "l40s-8")


@pytest.fixture
def anchors(run, tmp_path) -> Path:
    assert run("anchor", *EXAMPLES, *DEPLOYED, "--out", tmp_path / "anchors.toml")[0] == 0
    return tmp_path / "anchors.toml"


def test_the_comparison_and_the_file_say_the_same(run, anchors):
    code, said, _ = run("anchor", *EXAMPLES, *DEPLOYED, "--json")
    content = json.loads(said)
    (row,) = read_measured(anchors)
    assert code == 0
    assert content["measured"] == row.model_dump(mode="json")
    assert (row.points_count, row.files) == (3, tuple(path.name for path in EXAMPLES))
    assert all(1.05 < point["tpot_ratio"] < 1.3 for point in content["points"])


def test_one_load_says_what_it_cannot_tell(run):
    code, said, _ = run("anchor", EXAMPLES[0], *DEPLOYED)
    assert code == 0
    assert "One load cannot tell level from fixed time" in said


def test_the_wrong_server_is_pointed_out(run):
    assert "Far off" in run("anchor", EXAMPLES[0], *DEPLOYED[:3], "hgx-h100-8")[1]
    assert "Far off" not in run("anchor", EXAMPLES[0], *DEPLOYED)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.json", *DEPLOYED), "none.json: no such file"),
        ((EXAMPLES[0], *DEPLOYED[:3], "abacus"), "abacus"),
        ((EXAMPLES[0], "--model", "llama-3.1-8b", "--on", "l40s-8"), "speaks of Qwen/Qwen3-8B, not of llama-3.1-8b"),
        ((EXAMPLES[0], *DEPLOYED, "--tp", "3"), "--tp: 3 ranks are no cut"),
        ((EXAMPLES[0], "--model", "efficientad-m", "--on", "l40s-8"), "efficientad-m"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, said):
    code, out, err = run("anchor", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "internal" not in err


def test_a_file_that_is_there_stays(run, anchors):
    before = anchors.read_text()
    code, _, err = run("anchor", EXAMPLES[0], *DEPLOYED, "--out", anchors)
    assert (code, anchors.read_text()) == (2, before)
    assert "--force replaces it" in err
    assert run("anchor", EXAMPLES[0], *DEPLOYED, "--out", anchors, "--force")[0] == 0
    assert anchors.read_text() != before


def test_estimate_follows_the_file(run, anchors):
    plain = json.loads(run("estimate", "qwen3-8b", "--on", "l40s-8", "--json")[1])["points"]
    moved = json.loads(run("estimate", "qwen3-8b", "--on", "l40s-8", "--measured", anchors, "--json")[1])["points"]
    mine = next(point for point in moved if point["slots_per_replica"] == 1)
    was = next(point for point in plain if point["slots_per_replica"] == 1)
    assert mine["measured"].startswith("measured by you, vllm-01.json")
    assert was["measured"] == ""
    assert mine["latency_ms"]["tpot"] > 1.05 * was["latency_ms"]["tpot"]
    code, _, err = run("estimate", "qwen3-32b", "--on", "l40s-8", "--measured", anchors)
    assert code == 2
    assert "says nothing about qwen3-32b" in err


def test_a_plan_rests_on_it(anchors):
    path = anchors.with_name("factory.yaml")
    path.write_text(re.sub(r"(?m)^workloads:", "measured: [anchors.toml]\nworkloads:", starter(), count=1))
    problem = build(load(path), Catalog.default())
    said = {point.id: point.measured for point in problem.points if point.model == "qwen3-8b"}
    assert any(text.startswith("measured by you") for text in said.values()), said
    assert all(point.measured == "" for point in problem.points if point.model != "qwen3-8b")
