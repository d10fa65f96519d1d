"""``validate`` and ``calibrate`` on a small table: figures, reasons, and what is refused."""

from __future__ import annotations

import csv
import json
import sys

import pytest

from groundplan.cli import main

COLUMNS = (
    "source_id", "publisher", "model", "params_total", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab",
    "seq_len", "accelerator", "n_accelerators", "precision", "tp", "pp", "dp", "micro_batch", "global_batch",
    "recompute", "kind", "metric", "value", "notes",
)  # fmt: skip
ROW = ("ours", "us", "llama3-8b", 8.03e9, 32, 4096, 32, 8, 14336, 128256, 8192, "H100", 8, "bf16", 1, 1, 8, 2, 128)


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerow([*ROW, "full", "pretrain", "iteration_s", 12.5, "peak 50.0 GiB"])
        writer.writerow(["theirs", "them", *ROW[2:], "full", "pretrain", "iteration_s", 13.0, ""])
        writer.writerow([*ROW, "full", "vision", "images_per_s_per_gpu", 10, ""])
    return path


@pytest.fixture
def ask(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["groundplan", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_validate_counts_rows_and_what_their_notes_state(ask, truth, tmp_path):
    out = tmp_path / "rows-out.csv"
    code, said, _ = ask("validate", "training", "--truth", str(truth), "--json", "--rows-out", str(out))
    found = json.loads(said)
    assert code == 0
    assert (found["rows"], found["scored"]) == (4, 3)
    assert found["skipped"] == {"not modelled: training of kind vision": 1}
    assert {name: part["n"] for name, part in found["metrics"].items()} == {"iteration_s": 2, "peak_memory_gb": 1}
    lines = list(csv.DictReader(out.open()))
    assert [line["metric"] for line in lines][-1] == "peak_memory_gb"
    assert float(lines[-1]["measured"]) == pytest.approx(50 * 2**30 / 1e9, abs=0.001)


def test_calibrate_says_constants_parameters_and_publishers(ask, truth):
    code, said, _ = ask("calibrate", "training", "--truth", str(truth), "--json", "--leave-out", "theirs")
    found = json.loads(said)
    assert code == 0
    assert (found["rows"], found["publishers"]) == (1, ["us"])
    assert found["free_parameters"] == len(found["constants"]) <= 36
    by_name = {one["name"]: one for one in found["constants"]}
    # one row cannot say much about anything, and nothing at all about another family
    assert not any(one["informed"] for one in found["constants"])
    other = by_name["gemm.blackwell.fp4"]
    assert other["value"] == pytest.approx(other["prior"], rel=1e-3)


def test_calibrate_scores_publishers_by_fits_without_them(ask, truth):
    asked = ("calibrate", "training", "--truth", str(truth), "--report", "leave-one-publisher-out")
    code, said, _ = ask(*asked)
    assert code == 0
    assert "36 free constants, 2 publishers, 2 rows" in said
    found = json.loads(ask(*asked, "--json")[1])
    assert "zero-shot" in {column["scored"] for column in found["columns"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--leave-out", "nobody"), "no row of nobody"),
        (("--leave-out", "ours", "--leave-out", "theirs"), "no rows are left"),
    ],
)
def test_what_cannot_be_left_out_is_refused(ask, truth, arguments, words):
    code, _, said = ask("calibrate", "training", "--truth", str(truth), *arguments)
    assert code == 2
    assert words in said
