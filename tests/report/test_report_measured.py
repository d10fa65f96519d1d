"""Speeds from outside in the report: a measurement is the user's, another tool's tables are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from groundplan.report._measured import measured
from groundplan.spec import MeasuredSpeed, TableCells

MINE = MeasuredSpeed(
    model="qwen3-8b", accelerator="l40s", engine="vllm", precision="bf16", tensor_ranks_count=1, level_factor=1.1,
    fixed_factor=1.1, points_count=2, spread_factor=1.1, against="serving-2026.11", tool="GuideLLM", files=("a.json",),
)  # fmt: skip
CELLS = TableCells(below_floor_count=1, unlike_others_count=2, not_monotone_count=3, compared=True)
TABLES = MINE.model_copy(update={"tool": "AIConfigurator 0.12.0", "files": ("l40s vllm",), "tables": CELLS})


def shown(*rows: MeasuredSpeed) -> str:
    facts: Any = SimpleNamespace(factory=SimpleNamespace(measured=rows), plan=SimpleNamespace(points=()))
    return str(measured(facts))


def test_each_kind_has_a_table_of_its_own():
    both = shown(MINE, TABLES)
    assert both.index("Speeds that you measured") < both.index("GuideLLM") < both.index("another tool's tables")
    assert both.index("another tool's tables") < both.index("AIConfigurator 0.12.0")


def test_tables_are_never_said_to_be_measured_by_the_user():
    page = shown(TABLES)
    assert "Speeds that you measured" not in page
    assert "not measured by you" in page
    assert "1 below the roofline, 2 unlike other engines, 3 not monotone" in page
    blind = TABLES.model_copy(update={"tables": CELLS.model_copy(update={"compared": False})})
    assert "no other engine to compare" in shown(blind)


def test_a_file_without_rows_shows_nothing():
    assert shown() == ""
    assert "another tool" not in shown(MINE)
