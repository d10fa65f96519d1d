"""Anchors files that a factory file names: taken in, found again, and refused at their line."""

from __future__ import annotations

import json
import re

import pytest

from groundplan.catalog import Catalog
from groundplan.errors import CatalogError, SpecError
from groundplan.spec import load, loads, starter

ROW = """[[measured]]
model = "Qwen/Qwen3-8B"
accelerator = "NVIDIA L40S"
engine = "vllm"
precision = "bf16"
tensor_ranks_count = 1
level_factor = 1.2
fixed_factor = 1.3
points_count = 2
spread_factor = 1.05
against = "serving-2026.12"
tool = "vllm bench serve"
files = ["load.json"]
dated = 2026-11-04
"""
BY_HAND = (
    "{model: qwen3-8b, accelerator: l40s, engine: sglang, precision: bf16, tensor_ranks_count: 2, level_factor: 0.9, "
    "fixed_factor: 0.9, points_count: 1, spread_factor: 1, against: serving-2026.12, tool: own, files: [a.json]}"
)


@pytest.fixture
def factory(tmp_path):
    def write(listed: str, rows: str = ROW):
        (tmp_path / "anchors.toml").write_text(rows)
        path = tmp_path / "factory.yaml"
        path.write_text(re.sub(r"(?m)^workloads:", f"measured: {listed}\nworkloads:", starter(), count=1))
        return path

    return write


def line_of(path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if line.startswith(text))


def test_rows_of_files_and_rows_by_hand_stand_in_order(factory):
    path = factory(f"\n  - {BY_HAND}\n  - anchors.toml\n  - {BY_HAND.replace('sglang', 'trtllm')}", ROW + ROW)
    loaded = load(path)
    assert [row.engine for row in loaded.factory.measured] == ["sglang", "vllm", "vllm", "trtllm"]
    first = line_of(path, "measured:") + 1
    for index, line in enumerate((first, first + 1, first + 1, first + 2)):
        assert loaded.where(("measured", index)) == f"{path}:{line}"
    assert loaded.where(("measured", 3, "engine")) == f"{path}:{first + 2}"


def test_the_file_carries_the_rows(factory):
    loaded = load(factory("[anchors.toml]"))
    text = json.dumps(loaded.factory.model_dump(mode="json", exclude_unset=True))
    assert loads(text).spec_hash == loaded.spec_hash != loads(starter()).spec_hash
    (row,) = Catalog.default().for_file(loaded).measured
    assert (row.model, row.accelerator) == ("qwen3-8b", "l40s")
    assert Catalog.default().measured == ()


@pytest.mark.parametrize(
    ("listed", "rows", "said"),
    [
        ("[none.toml]", ROW, "no such file"),
        ("[anchors.toml]", "x = 1", "no list of"),
        ("[anchors.toml]", ROW.replace("1.2", "-1.2"), "measured.0.level_factor"),
        ("[anchors.toml]", ROW.replace("vllm", "ollama", 1), "measured.0.engine"),
        ("anchors.toml", ROW, "measured"),
        ("[3]", ROW, "measured"),
    ],
)
def test_a_bad_file_is_refused_where_it_is_named(factory, listed, rows, said):
    path = factory(listed, rows)
    with pytest.raises(SpecError) as caught:
        load(path)
    (issue,) = caught.value.issues
    assert issue.where == f"{path}:{line_of(path, 'measured:')}"
    assert said in issue.what


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Qwen/Qwen3-8B", "nobody-7b"), "the catalogue has no such model"),
        (("Qwen/Qwen3-8B", "llama-3.1-8b"), "no language workload of the file asks for it"),
        (("NVIDIA L40S", "abacus"), "the catalogue has no such accelerator"),
    ],
)
def test_a_row_without_effect_is_refused(factory, change, said):
    path = factory("[anchors.toml]", ROW.replace(*change))
    with pytest.raises(CatalogError) as caught:
        Catalog.default().for_file(load(path))
    (issue,) = caught.value.issues
    assert issue.where == f"{path}:{line_of(path, 'measured:')}"
    assert said in issue.what
