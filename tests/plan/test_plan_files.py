"""Plan files: what was written is what is read, and nothing else is accepted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import PlanFileError
from groundplan.plan import LoadRow, PeriodRow, Plan, Result, content_hash, plan_text, read_plan, write_plan


def small_plan(*units_per_s: float) -> Plan:
    loads = [
        LoadRow(
            workload="w",
            origin="o",
            site="s",
            server="v",
            point=f"p{k}",
            period="2027-01",
            bucket="b",
            units_per_s=x,
        )
        for k, x in enumerate(units_per_s)
    ]
    result = Result(
        status="optimal", objective_usd=0.1 + 0.2, bound_usd=0.3, gap=0.0, rounding_cost_usd=0.0, max_residual=0.0,
        reproducible=True,
    )  # fmt: skip
    return Plan(
        name="tiny", spec_hash="a", catalog_hash="b", buckets=("b",), result=result, points=(), staffing=(), costs=(),
        periods=(PeriodRow(id="2027-01", start_month_count=0, months_count=1, plan_year=1),), loads=tuple(loads),
        opened={"z": "2027-01", "a": "2027-01"},
    )  # fmt: skip


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_what_is_written_is_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    plan = small_plan(*values)
    write_plan(plan, path)
    assert read_plan(path) == plan
    assert path.read_text() == plan_text(read_plan(path))


def test_text_is_canonical(tmp_path):
    text = plan_text(small_plan(1.0, 0.1))
    keys = list(json.loads(text))
    assert keys == sorted(keys)
    assert text.endswith("}\n")
    assert sum('"units_per_s"' in line for line in text.splitlines()) == 2
    assert "0.30000000000000004" in text
    assert text.index('"a": "2027-01"') < text.index('"z": "2027-01"')


def test_hash_follows_the_content():
    assert content_hash(small_plan(1.0)) == content_hash(small_plan(1.0))
    assert content_hash(small_plan(1.0)) != content_hash(small_plan(1.0000000000000002))


def test_no_part_is_left_and_permissions_stay(tmp_path):
    path = tmp_path / "plan.json"
    write_plan(small_plan(1.0), path)
    path.chmod(0o640)
    write_plan(small_plan(2.0), path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_earlier_file(tmp_path, monkeypatch, step):
    path = tmp_path / "plan.json"
    write_plan(small_plan(1.0), path)
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(PlanFileError, match="No space left"):
        write_plan(small_plan(2.0), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(PlanFileError, match="absent"):
        write_plan(small_plan(), tmp_path / "absent" / "plan.json")


def edited(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})


BROKEN = {
    "empty": lambda text: "",
    "not JSON": lambda text: text[: len(text) // 2],
    "a list": lambda text: "[1, 2]",
    "NaN": lambda text: text.replace("1.5", "NaN"),
    "infinite": lambda text: text.replace("1.5", "1e999"),
    "wrong version": lambda text: text.replace("groundplan-plan-1", "groundplan-plan-9"),
    "no version": lambda text: edited(text, format=None),
    "unknown key": lambda text: edited(text, colour="red"),
    "key twice": lambda text: text.replace('{"bucket": "b"', '{"bucket": "b", "bucket": "c"'),
    "hash": lambda text: text.replace("1.5", "1.25"),
    "no hash": lambda text: edited(text, content_hash=None),
    "text for a number": lambda text: text.replace("1.5", '"1.5"'),
    "missing part": lambda text: text.replace('"name": "tiny",\n', ""),
    "deep": lambda text: "[" * 100_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(tmp_path, name):
    path = tmp_path / "plan.json"
    text = plan_text(small_plan(1.5))
    broken = BROKEN[name](text)
    assert broken != text
    path.write_text(broken)
    with pytest.raises(PlanFileError) as caught:
        read_plan(path)
    assert all(issue.where.startswith(str(path)) and issue.hint for issue in caught.value.issues)


def test_the_place_of_a_fault_is_named(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(plan_text(small_plan(1.0, 1.5)).replace("1.5", '"x"'))
    with pytest.raises(PlanFileError, match=r"loads\[1\]\.units_per_s"):
        read_plan(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff", b"\xff\xfe{\x00}\x00"])
def test_binary_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(PlanFileError, match="not text"):
        read_plan(path)


def test_missing_and_folder_are_refused(tmp_path):
    with pytest.raises(PlanFileError, match="no such file"):
        read_plan(tmp_path / "plan.json")
    with pytest.raises(PlanFileError, match="cannot be read"):
        read_plan(tmp_path)
