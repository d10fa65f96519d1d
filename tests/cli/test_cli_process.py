"""The command line as a process: exit codes, streams, and what never happens (tracebacks, damaged files)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from groundplan.cli import main
from groundplan.cli._warnings import warnings
from groundplan.spec import loads, starter

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "GROUNDPLAN_DEBUG"}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "COLUMNS": "120"}
    command = [sys.executable, "-m", "groundplan", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_help_and_version(tmp_path):
    shown = run("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("demo", "init", "check", "plan", "verify", "estimate", "schema"):
        assert f"\n  {command} " in shown.stdout
    assert not re.search(r"\w\.\.\.$", shown.stdout, flags=re.MULTILINE), "no summary is cut"
    assert run("--version", cwd=tmp_path).stdout.startswith("groundplan 0.")


def test_help_loads_no_heavy_package(tmp_path):
    script = (
        "import sys\nfrom groundplan.cli import main\nsys.argv = ['groundplan', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'pydantic', 'rich', 'numpy', 'scipy', 'numba', 'linopy', 'highspy', 'altair', 'pandas', 'ruamel'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_unknown_commands_and_options_are_bad_input(tmp_path):
    for arguments in (["bogus"], ["plan"], ["check", "a.yaml", "--bogus"], ["estimate", "qwen3-8b"]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr


def test_init_writes_what_check_accepts_and_replaces_only_by_force(tmp_path):
    assert run("init", cwd=tmp_path).returncode == 0
    written = tmp_path / "factory.yaml"
    assert written.read_text("utf-8") == starter()
    written.write_text("mine", "utf-8")
    refused = run("init", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert written.read_text("utf-8") == "mine"
    assert run("init", "--force", cwd=tmp_path).returncode == 0
    quick = run("check", "factory.yaml", "--quick", "--json", cwd=tmp_path)
    assert quick.returncode == 0, quick.stderr
    content = json.loads(quick.stdout)
    assert content["status"] == "ok"
    assert content["spec_hash"] == loads(starter()).spec_hash
    assert content["sizes"]["sites"] == 2


QWEN = {
    "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
    "max_position_embeddings": 40960, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
"""A config.json with the shape of qwen3-8b."""


def test_a_plan_of_ones_own_model_is_verified_without_its_config_and_planned_the_same_again(tmp_path):
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "config.json").write_text(json.dumps(QWEN), "utf-8")
    (tmp_path / "f.yaml").write_text(starter().replace("model: qwen3-8b", "model: ours/config.json"), "utf-8")
    done = run("plan", "f.yaml", "--out", "a", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["status"] == "optimal"
    assert content["gap"] <= 0.01
    assert content["evaluated_usd"] == pytest.approx(content["objective_usd"], rel=1e-6)
    assert content["reproducible"] is True
    assert content["warnings"] == warnings()
    assert all(f"warning: {said}" in done.stderr for said in warnings())
    assert "Verified" in (tmp_path / "a" / "report.html").read_text("utf-8")
    again = run("plan", "f.yaml", "--out", "b", "--no-report", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (tmp_path / "ours" / "config.json").unlink()
    assert re.search(r'"model": "ours-[0-9a-f]{8}"', (tmp_path / "a" / "plan.json").read_text("utf-8"))
    judged = run("verify", "a", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    assert "families of rules kept" in judged.stdout
    assert (tmp_path / "a" / "plan.json").read_bytes() == (tmp_path / "b" / "plan.json").read_bytes()


def test_check_works_the_problem_out(tmp_path):
    (tmp_path / "f.yaml").write_text(starter(), "utf-8")
    done = run("check", "f.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sizes = json.loads(done.stdout)["sizes"]
    assert sizes["periods"] == 12
    assert sizes["ways to serve"] >= 2


STARTER = starter()
BROKEN: dict[str, bytes | str] = {
    "misspelled key": STARTER.replace("discount_rate:", "discont_rate:"),
    "unknown key": STARTER.replace("synthetic: true", "synthetic: true\ncolour: blue"),
    "wrong unit": STARTER.replace("usable_kw: 60", "usable_mw: 0.06"),
    "nan": STARTER.replace("discount_rate: 0.08", "discount_rate: .nan"),
    "infinity": STARTER.replace("usable_kw: 60", "usable_kw: .inf"),
    "negative": STARTER.replace("usable_kw: 60", "usable_kw: -60"),
    "missing site": STARTER.replace("sites: [plant]", "sites: [plnat]"),
    "missing key": STARTER.replace("title: One plant and one cloud\n", ""),
    "duplicate id": STARTER.replace("- id: cloud\n", "- id: plant\n"),
    "duplicate key": STARTER + "\nname: twice\n",
    "impossible date": STARTER.replace("start: 2027-01", "start: 2027-13"),
    "wrong type": STARTER.replace("priority: 1", "priority: one").replace("months: 12", "months: twelve"),
    "text for a list": STARTER.replace("data_classes: [plant-data]", "data_classes: plant-data"),
    "no list": STARTER.replace("sites:\n", "sites: 3\nignored:\n"),
    "share above one": STARTER.replace("network_share: 0.1", "network_share: 1.1"),
    "unknown server": STARTER.replace("server: l40s-8", "server: l40s-9"),
    "binary": b"\x00\x01\x02\xff\xfe" * 40,
    "empty": "",
    "comment only": "# nothing\n",
    "list": "- 1\n- 2\n",
    "broken syntax": "groundplan: [1\nname: {",
    "bomb": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "deep": "a: " + "[" * 5000 + "]" * 5000,
    "future version": STARTER.replace("groundplan: 1", "groundplan: 2"),
}


IN_A_PROCESS = ("misspelled key", "binary", "bomb", "deep")


def _planned(arguments: list[str], folder: Path, name: str, monkeypatch, capsys) -> tuple[int, str, str]:
    """Exit code and streams; most cases run in this process, which saves its start."""
    if name in IN_A_PROCESS:
        done = run(*arguments, cwd=folder)
        return done.returncode, done.stdout, done.stderr
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["groundplan", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    return left.value.code, said.out, said.err


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_bad_input_and_touches_nothing(name, tmp_path, monkeypatch, capsys):
    text = BROKEN[name]
    assert text != STARTER, "the case changes nothing"
    (tmp_path / "broken.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plan.json").write_text("an earlier plan", "utf-8")
    arguments = ["plan", "broken.yaml", "--out", "out", "--json"]
    code, out, err = _planned(arguments, tmp_path, name, monkeypatch, capsys)
    assert code == 2, err
    assert "Traceback" not in err + out
    assert "internal error" not in err
    content = json.loads(out)
    assert content["error"] in ("spec", "catalog")
    assert len(err.splitlines()) == len(content["issues"]) >= 1
    if name not in ("binary", "empty", "comment only", "unknown server"):
        assert err.startswith("broken.yaml:")
        assert err.split(":")[1].isdigit(), err
    assert (tmp_path / "out" / "plan.json").read_text("utf-8") == "an earlier plan"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["plan.json"]


def test_a_place_that_cannot_be_written_is_said_before_any_work(tmp_path):
    (tmp_path / "f.yaml").write_text(STARTER, "utf-8")
    (tmp_path / "file").write_text("", "utf-8")
    for out in ("file", "file/below", "/proc/nowhere"):
        done = run("plan", "f.yaml", "--out", out, cwd=tmp_path)
        assert done.returncode == 2, out
        assert "give" in done.stderr


def test_schema_is_json_schema_on_standard_output_or_in_a_file(tmp_path):
    done = run("schema", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"].endswith("/schema")
    assert run("schema", "--out", "s.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == json.loads(done.stdout)


def test_estimate_says_points_and_refuses_unknown_names(tmp_path):
    arguments = ("estimate", "qwen3-8b", "--hardware", "l40s-8", "--prompt", "500", "--output", "100")
    done = run(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    points = json.loads(done.stdout)["points"]
    assert points
    for point in points:
        assert 0 < point["level_requests_per_s"] <= point["capacity_per_s"]
        assert point["level_low_requests_per_s"] < point["level_requests_per_s"] < point["level_high_requests_per_s"]
    told = run(*arguments, cwd=tmp_path)
    assert "qwen3-8b on l40s-8" in told.stdout
    unknown = run("estimate", "qwen3-8b", "--hardware", "l40s-9", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "did you mean l40s-8" in unknown.stderr
    nobody = run("estimate", "qwen33-8b", "--on", "l40s-8", cwd=tmp_path)
    assert nobody.returncode == 2
    assert "did you mean qwen3-8b" in nobody.stderr


def test_estimate_that_no_way_can_meet_is_infeasible(tmp_path):
    done = run("estimate", "llama-3.1-8b", "--hardware", "l4-4", "--tpot-ms", "0.1", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == "infeasible"


def test_an_empty_place_is_refused_and_nothing_is_written(tmp_path):
    (tmp_path / "f.yaml").write_text(STARTER, "utf-8")
    for arguments in (["plan", "f.yaml", "--out", ""], ["demo", "--out", " "], ["schema", "--out", ""], ["init", ""]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert "is empty: give a name" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["f.yaml"]


def test_check_quick_reads_models_and_rates_against_the_catalogue(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps({**QWEN, "model_type": "mamba"}), "utf-8")
    (tmp_path / "f.yaml").write_text(STARTER.replace("model: qwen3-8b", "model: m.json"), "utf-8")
    done = run("check", "f.yaml", "--quick", cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(r"f\.yaml:\d+: model m-[0-9a-f]{8}: key model_type: unknown 'mamba'", done.stderr)
    assert "known:" in done.stderr
