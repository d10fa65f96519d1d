"""The command `price`: what it prints, its JSON, its refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundplan.cli._main import app
from groundplan.cli._price import _below, _break_text, _levels
from groundplan.errors import SpecError
from groundplan.study import BreakEven

ROOT = Path(__file__).resolve().parents[2]
QUESTION = ["price", "llama-3.2-3b", "--load", "20", "--day", "2026-11-20"]


def run(*arguments: str):
    return CliRunner(env={"NO_COLOR": "1", "COLUMNS": "160"}).invoke(app, list(arguments))


def test_the_json_answer_holds_rows_sources_and_no_infinity():
    done = run(*QUESTION, "--service-level", "ttft=1500,tpot=50", "--json")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["question"]["ttft_ms"] == 1500
    assert content["tariff"] == "kepco-industrial-eul-hv-a-2-2026"
    assert {row["way"] for row in content["rows"]} == {"own", "rent", "tokens"}
    for row in content["rows"]:
        assert row["sources"], row["name"]
        assert {source["kind"] for source in row["sources"]} <= {"measured", "vendor", "assumed"}
        assert row["low_usd_per_month"] <= row["usd_per_month"] <= row["high_usd_per_month"]
    assert [found["scope"] for found in content["verdicts"]] == ["in South Korea", "anywhere"]
    assert content["conventions"]


def test_a_process_prints_the_answer(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "groundplan", *QUESTION]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for said in ("Three ways, USD a month", "owning wins below USD", "Break-even with rent anywhere", "[1] vendor"):
        assert said in done.stdout
    assert "Convention groundplan" in done.stdout
    lines = done.stdout.splitlines()
    head = next(line for line in lines if " /Mtok" in line)
    row = next(line for line in lines if line.startswith(" own ") and " node" in line)
    at = {name: head.index(name) + len(name) for name in ("nodes", "use", "a month", "/Mtok")}
    assert re.search(r" \d+$", row[: at["nodes"]])
    assert re.search(r" \d+%$", row[: at["use"]])
    assert re.search(r" [\d,]{4,}$", row[: at["a month"]])
    assert re.search(r" 0\.\d+$", row[: at["/Mtok"]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["price", "llama-3.2-3b"], 2, "--load"),
        (["price", "llama-3.2-3bb", "--load", "1"], 2, "did you mean"),
        (["price", "llama-3.2-3b", "--load", "0"], 2, "load_per_s"),
        (["price", "llama-3.2-3b", "--load", "nan"], 2, "load_per_s"),
        (["price", "llama-3.2-3b", "--load", "1", "--region", "TW"], 2, "offers: "),
        (["price", "llama-3.2-3b", "--load", "1", "--day", "soon"], 2, "2026-11-15"),
        (["price", "llama-3.2-3b", "--load", "1", "--service-level", "ttft"], 2, "ttft=2000,tpot=60"),
        (["price", "llama-3.2-3b", "--load", "1", "--service-level", "ttft=9", "--ttft-ms", "9"], 2, "stated twice"),
        (["price", "efficientad-s", "--load", "1"], 2, "only language models"),
        (["price", "llama-3.2-3b", "--load", "1", "--ttft-ms", "1", "--tpot-ms", "0.1"], 3, "nearest"),
    ],
)
def test_refusals_have_a_code_and_a_fix(arguments, code, says):
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert says in done.output
    assert "Traceback" not in done.output


def test_levels_are_read():
    assert _levels("ttft=2000, tpot_ms=60,percentile=0.9", {}) == {"ttft_ms": 2000, "tpot_ms": 60, "percentile": 0.9}
    assert _levels(None, {}) == {}
    for wrong in ("", "ttft=nan", "ttft=1,ttft=2", "latency=3"):
        with pytest.raises(SpecError):
            _levels(wrong, {})


def crossing(first: float | None, always: float | None, **others: float) -> str:
    return _break_text(BreakEven("x", first, always, (1.0, 900.0), others.get("share"), others.get("hours")))


def test_break_even_in_words():
    assert crossing(None, None) == "Break-even with x: owning is cheaper at no load from 1 to 900 requests/s."
    assert "at every load from 1 to 900" in crossing(1.0, 1.0)
    assert "from 7 requests/s on, to 900" in crossing(7.0, 7.0)
    assert "at some loads from 7, at every load from 9 to 900" in crossing(7.0, 9.0)
    assert "not at all of them up to 900" in crossing(7.0, None)
    assert "at no mean load" in crossing(7.0, 7.0, share=1.2)
    assert "from a mean load of 40% of it" in crossing(7.0, 7.0, share=0.4)
    assert "not even around the clock" in crossing(7.0, 7.0, hours=800.0)
    assert "from 200 hours a month" in crossing(7.0, 7.0, hours=200.0)


def test_thresholds_in_words():
    assert _below((-5.0, -9.0, -1.0)) == "owning would not win even with servers for nothing"
    assert _below((1000.0, 1000.0, 1000.0)) == "owning wins below USD 1,000 a server"
    assert _below((1000.0, -10.0, 1500.0)) == "owning wins below USD 1,000 a server (USD 0 to USD 1,500 by model error)"
