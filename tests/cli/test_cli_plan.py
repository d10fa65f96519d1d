"""``plan`` and ``verify`` around a plan made by hand: files, exit codes, keys."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from groundplan.cli import _plan, _verify
from groundplan.cli._errors import code_of, guarded, say_issues
from groundplan.errors import Infeasible, Issue, LimitReached, RuleBroken, SpecError
from groundplan.plan import Plan, plan_text, read_plan
from groundplan.report import FILES
from groundplan.spec import LoadedSpec, load, loads, starter
from groundplan.verify import verify

SAMPLE = Path(__file__).resolve().parents[1] / "verify" / "sample.py"
KEYS = ["status", "objective_usd", "bound_usd", "gap", "evaluated_usd", "max_residual", "rounding_cost_usd", "build_s",
        "solve_s", "reproducible"]  # fmt: skip


@pytest.fixture(scope="module")
def sample():
    found = importlib.util.spec_from_file_location("cli_sample", SAMPLE)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module.sample()


@pytest.fixture
def planned(sample, monkeypatch):
    """Replace everything before the files by the sample; the returned setter changes what was made."""
    plan, spec, catalog = sample
    made = [_plan.Made(plan, verify(plan, spec, catalog), 1.25, 2.5)]
    loaded = LoadedSpec(spec.factory, spec.spec_hash, {}, Path("sample.yaml"), {})
    monkeypatch.setattr(_plan, "load", lambda _: loaded)
    monkeypatch.setattr(_plan, "_made", lambda *_, **__: made[0])
    monkeypatch.setattr(_plan.Catalog, "default", staticmethod(lambda: catalog))
    return made


def go(out: Path, *, as_json: bool = True, with_report: bool = True) -> int:
    return _plan.plan_file(Path("sample.yaml"), out, as_json=as_json, with_report=with_report)


def test_a_good_plan_leaves_its_files_and_the_promised_keys(planned, tmp_path, capsys):
    assert go(tmp_path / "new" / "out") == 0
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert list(content) == [*KEYS, "warnings"]
    assert content["evaluated_usd"] == pytest.approx(content["objective_usd"], rel=1e-9)
    assert (content["build_s"], content["solve_s"]) == (1.25, 2.5)
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        *FILES,
        "factory.json",
        "plan.json",
        "report.html",
    ]
    assert read_plan(tmp_path / "new" / "out" / "plan.json") == planned[0].plan
    for word in ("Bought and rented", "What runs where", "demand charge", "verified"):
        assert word in said.err


def test_people_read_standard_error(planned, tmp_path, capsys):
    assert go(tmp_path, as_json=False) == 0
    assert capsys.readouterr().out == ""


def test_no_wall_time_stands_in_the_plan_file(planned, tmp_path):
    go(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    planned[0] = replace(planned[0], build_s=99.0, solve_s=98.0)
    go(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_a_plan_stopped_by_a_limit_is_written_with_exit_4(planned, tmp_path):
    stopped = planned[0].plan.result.model_copy(update={"status": "limit", "reproducible": False})
    planned[0] = replace(planned[0], plan=planned[0].plan.model_copy(update={"result": stopped}))
    assert go(tmp_path) == LimitReached.exit_code == 4
    assert read_plan(tmp_path / "plan.json").result.status == "limit"


def test_a_plan_that_breaks_a_rule_is_set_aside(planned, tmp_path):
    assert go(tmp_path) == 0
    (tmp_path / "factory.json").write_text("of the earlier plan", "utf-8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = (Issue("power", "plant q1", "facility kW: 90 exceeds 80"),)
    good = planned[0]
    planned[0] = replace(good, report=replace(good.report, findings=broken))
    with pytest.raises(RuleBroken) as raised:
        go(tmp_path)
    assert raised.value.exit_code == 3
    assert raised.value.issues == broken
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert (tmp_path / "plan.rejected.json").read_text("utf-8") == plan_text(good.plan)
    planned[0] = good
    assert go(tmp_path, with_report=False) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [*FILES, "factory.json", "plan.json"], (
        "nothing of another plan stays"
    )


def test_a_report_that_cannot_be_drawn_leaves_the_earlier_files(planned, tmp_path, monkeypatch):
    assert go(tmp_path) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    planned[0] = replace(planned[0], plan=planned[0].plan.model_copy(update={"name": "another"}))
    monkeypatch.setattr(_plan, "_page", lambda *_: (_ for _ in ()).throw(RuntimeError("ink")))
    with pytest.raises(RuntimeError, match="ink"):
        go(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_factory_beside_the_plan_reads_back_to_the_same_hash(tmp_path):
    for name, loaded in {"starter": loads(starter()), "example": load("examples/appliance-maker")}.items():
        written = tmp_path / f"{name}.json"
        written.write_text(_plan.factory_text(loaded), "utf-8")
        assert load(written).spec_hash == loaded.spec_hash, name
        assert load(written).factory == loaded.factory


def test_verify_accepts_the_plan_and_names_the_rule_that_a_spoilt_one_breaks(
    planned, sample, tmp_path, capsys, monkeypatch
):
    plan, spec, catalog = sample
    monkeypatch.setattr(_verify.Catalog, "default", staticmethod(lambda: catalog))
    loaded = LoadedSpec(spec.factory, spec.spec_hash, {}, Path("sample.yaml"), {})
    monkeypatch.setattr(_verify, "load", lambda _: loaded)
    go(tmp_path)
    capsys.readouterr()
    _verify.verify_file(tmp_path, None, as_json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["status"] == "verified"
    assert content["evaluated_usd"] == pytest.approx(content["objective_usd"], rel=1e-9)
    spoilt: Plan = plan.model_copy(update={"orders": plan.orders[1:]})
    (tmp_path / "spoilt.json").write_text(plan_text(spoilt), "utf-8")
    with pytest.raises(RuleBroken) as raised:
        _verify.verify_file(tmp_path / "spoilt.json", None, as_json=False)
    assert "cost" in {issue.code for issue in raised.value.issues}


def test_verify_needs_the_factory(planned, tmp_path):
    from groundplan.errors import PlanFileError

    (tmp_path / "plan.json").write_text(plan_text(planned[0].plan), "utf-8")
    with pytest.raises(PlanFileError, match="--spec"):
        _verify.verify_file(tmp_path, None, as_json=False)


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (Infeasible(Issue("demand", "workloads.a", "nothing can serve a", "add an offer")), 3,
         "workloads.a: nothing can serve a (add an offer)"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RuntimeError("two\nlines"), 1, "internal error: RuntimeError: two lines"),
    ],
)  # fmt: skip
def test_faults_are_one_line_each_and_an_exit_code(fault, code, said, capsys, monkeypatch):
    monkeypatch.delenv("GROUNDPLAN_DEBUG", raising=False)

    @guarded
    def command(as_json: bool = False) -> None:
        raise fault

    with pytest.raises(typer.Exit) as raised:
        command(as_json=True)
    assert raised.value.exit_code == code
    caught = capsys.readouterr()
    assert caught.err.startswith(said)
    assert len(caught.err.splitlines()) == 1
    if code != 130:
        assert json.loads(caught.out)["issues"][0]["what"]


def test_a_flood_of_issues_is_cut_and_said(capsys):
    say_issues([Issue("x", f"f:{line}", "wrong") for line in range(1, 501)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "and 300 more (--json lists all of them)"
    assert len(lines) == 201


def test_a_developer_sees_the_traceback(monkeypatch):
    monkeypatch.setenv("GROUNDPLAN_DEBUG", "1")

    @guarded
    def command() -> None:
        raise RuntimeError("deep")

    with pytest.raises(RuntimeError, match="deep"):
        command()


def test_error_codes_are_stable():
    issue = Issue("x", "y", "z")
    assert [code_of(kind(issue)) for kind in (SpecError, Infeasible, RuleBroken, LimitReached)] == [
        "spec", "infeasible", "rule-broken", "limit-reached"]  # fmt: skip


def test_the_package_hands_out_its_pipeline():
    import groundplan

    assert groundplan.load is load
    assert groundplan.read_plan is read_plan
    assert set(groundplan.__all__) == set(groundplan._ROOM_OF)
    with pytest.raises(AttributeError, match="no attribute 'bogus'"):
        _ = groundplan.bogus
