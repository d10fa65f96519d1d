"""``estimate`` of every kind of model: what it answers, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
from math import ceil, floor

import pytest

from groundplan.catalog import Catalog
from groundplan.cli import main
from groundplan.cli._kinds import KINDS
from groundplan.perf import operating_points, reachable_hz, robot_workload, tuning_workload

CATALOG = Catalog.default()
LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture
def ask(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["groundplan", "estimate", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def points(asked: tuple[int, str, str]) -> list[dict[str, float]]:
    assert asked[0] == 0, asked[2]
    return json.loads(asked[1])["points"]


def robot(**changes: object):
    figures = {"control_hz": 20.0, "chunk_steps": 50, "replan_every_steps": 20, "mode": "async", "cameras": 2}
    return robot_workload("pi0", **{**figures, "latency_ms": 1000.0, **changes})


def test_a_policy_answers_what_planning_says_of_it(ask):
    (point,) = points(ask("pi0", "--on", "l40s", "--control-hz", "50", "--json"))
    workload = robot(control_hz=50.0, replan_every_steps=25, latency_ms=500.0)
    (same,) = operating_points(workload, CATALOG.server("l40s-8"), CATALOG).points
    assert point["capacity_per_s"] == same.capacity_per_s
    assert point["latency_alone_ms"] == same.latency_ms["latency"]
    assert point["robots_count"] == floor(point["level_calls_per_s"] * 25 / 50)
    assert point["reachable_hz"] == 200.0


@pytest.mark.parametrize(("mode", "limit"), [("async", 20), ("rtc", 20)])
def test_at_the_reachable_rate_the_delay_just_fits(mode, limit):
    for latency_ms in (137.0, 250.0, 1234.0):
        hz = reachable_hz(robot(mode=mode), latency_ms)
        assert ceil(latency_ms / 1e3 * hz - 1e-9) == limit
        assert ceil(latency_ms / 1e3 * hz * 1.01 - 1e-9) == limit + 1
    assert reachable_hz(robot(mode="rtc", replan_every_steps=45), 1000.0) == 5.0


def test_a_robot_that_waits_moves_slower_by_its_waits():
    assert reachable_hz(robot(mode="sync", replan_every_steps=10), 500.0) == pytest.approx(10.0)


def test_a_policy_that_is_too_slow_is_told_the_rate_that_it_reaches(ask):
    code, out, err = ask("openvla-7b", "--on", "jetson-agx-thor")
    assert (code, out) == (3, "")
    taken = re.search(r"a call takes ([\d.]+) ms, network included; this chunk then reaches ([\d.]+) Hz", err)
    assert "ms alone exceeds 500 ms" in err
    assert taken
    assert float(taken[2]) < 20.0
    assert float(taken[1]) > 500.0


def test_cameras_sensors_and_tuning(ask):
    (frames,) = points(ask("efficientad-m", "--on", "l40s-8", "--fps", "2", "--json"))
    assert frames["cameras_count"] == floor(frames["level_frames_per_s"] / 2)
    (windows,) = points(ask("vibration-envelope", "--on", "cpu-2s-64", "--window-s", "2", "--json"))
    assert windows["channels_count"] == floor(windows["level_windows_per_s"] * 2)
    gangs = points(ask("qwen3-8b", "--on", "h100-sxm", "--finetune", "lora", "--tokens", "1e7", "--json"))
    workload = tuning_workload("qwen3-8b", method="lora", tokens_per_run=1e7, sequence_tokens=4096)
    same = operating_points(workload, CATALOG.server("hgx-h100-8"), CATALOG).points
    assert [g["capacity_per_s"] for g in gangs] == [p.capacity_per_s for p in same]
    for gang in gangs:
        assert gang["tokens_per_s"] * gang["hours_per_run"] * 3600 == pytest.approx(1e7)
        assert gang["memory_gb"]["total"] <= gang["memory_gb"]["available"]
    (scenes,) = points(ask("cosmos-predict2-2b", "--on", "b200", "--json"))
    assert scenes["video_seconds_per_h"] * scenes["device_s_per_video_s"] == pytest.approx(3600)


def test_every_architecture_of_the_catalogue_has_a_kind():
    assert {card.arch.type for card in CATALOG.models.rows} | {"finetune"} == set(KINDS)


def test_a_config_json_is_as_fast_as_the_card_of_its_shape(ask, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA), "utf-8")
    ours = points(ask(str(tmp_path / "config.json"), "--on", "h100-sxm", "--json"))
    known = points(ask("llama-3.1-8b", "--on", "hgx-h100-8", "--json"))
    assert [p["capacity_per_s"] for p in ours] == [p["capacity_per_s"] for p in known]
    small = {**LLAMA, "quantization_config": {"quant_method": "fp8"}}
    (tmp_path / "config.json").write_text(json.dumps(small), "utf-8")
    assert {p["precision"] for p in points(ask(str(tmp_path / "config.json"), "--on", "h100-sxm", "--json"))} == {"fp8"}


REFUSED = [
    (("llama-3.1-405b", "--on", "l4-4"), 3, "GB too much"),
    (("llama-3.1-70b", "--on", "jetson-agx-orin-64", "--finetune", "sft"), 3, "GB too much"),
    (("pi00", "--on", "l40s-8"), 2, "did you mean pi0"),
    (("pi0", "--on", "l40z"), 2, "did you mean l40s-8"),
    (("none/config.json", "--on", "l40s-8"), 2, "no such file: none/config.json"),
    (("pi0", "--on", "l40s-8", "--fps", "3"), 2, "--fps: says nothing about a robot policy"),
    (("qwen3-8b", "--on", "l40s-8", "--control-hz", "3"), 2, "--control-hz: says nothing about a language model"),
    (("pi0", "--on", "l40s-8", "--chunk-steps", "60"), 3, "returns chunks of 50 steps, 60 are asked for"),
    (("vibration-envelope", "--on", "l40s-8"), 3, "streams run on CPU cores"),
    (("efficientad-m", "--on", "l40s-8", "--finetune", "lora"), 3, "training a vision model"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), REFUSED, ids=[" ".join(row[0]) for row in REFUSED])
def test_what_cannot_be_answered_is_said_with_a_reason(ask, arguments, code, said):
    found, out, err = ask(*arguments)
    assert (found, out) == (code, "")
    assert said in err


@pytest.mark.parametrize("name", ["pi0", "efficientad-m", "qwen3-8b"])
def test_one_table_for_people(ask, name):
    code, out, _ = ask(name, "--on", "l40s-8")
    assert code == 0
    assert f"{name} on l40s-8" in out
    assert "90 % interval" in out
