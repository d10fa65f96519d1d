"""``report``: the page and the paper from files alone, and what stands in its way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundplan.cli._main import app
from groundplan.report import _paper
from groundplan.spec import starter


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned")
    (folder / "factory.yaml").write_text(starter(), "utf-8")
    made = CliRunner().invoke(app, ["plan", str(folder / "factory.yaml"), "--compare", "--out", str(folder / "out")])
    assert made.exit_code == 0, made.stderr
    return folder / "out"


@pytest.fixture
def copy(planned: Path, tmp_path: Path) -> Path:
    for path in planned.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def run(*arguments: object) -> tuple[int, str, str]:
    made = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return made.exit_code, made.stdout, made.stderr


def test_the_page_drawn_anew_is_the_one_that_was_planned(copy: Path) -> None:
    first = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    assert run("report", copy)[0] == 0
    assert (copy / "report.html").read_bytes() == first
    assert not (copy / "report.pdf").exists()


def test_the_paper_stands_beside_the_page_and_goes_with_the_next_plan(copy: Path) -> None:
    pytest.importorskip("typst", reason="needs the extra pdf")
    code, out, _ = run("report", copy / "plan.json", "--pdf", "--json")
    assert code == 0
    files = [str(copy / "report.html"), str(copy / "report.pdf")]
    assert json.loads(out) == {"status": "written", "files": files, "compared": True}
    assert (copy / "report.pdf").read_bytes().startswith(b"%PDF")
    assert run("plan", copy / "factory.json", "--out", copy, "--no-report")[0] == 0
    assert not (copy / "report.pdf").exists(), "it would speak of another plan"
    assert run("plan", copy / "factory.json", "--out", copy, "--no-report", "--pdf")[0] == 0
    first = (copy / "report.pdf").read_bytes()
    assert run("report", copy, "--pdf")[0] == 0
    assert (copy / "report.pdf").read_bytes() == first


@pytest.mark.parametrize("command", [("report",), ("plan", "--out", "never")])
def test_without_the_package_it_is_bad_input_before_anything_is_done(
    copy: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_paper, "find_spec", lambda _: None)
    monkeypatch.chdir(copy)
    place = "factory.json" if command[0] == "plan" else "."
    code, _, said = run(command[0], place, *command[1:], "--pdf")
    assert code == 2
    assert "pip install 'groundplan[pdf]'" in said
    assert not (copy / "report.pdf").exists()
    assert not (copy / "never").exists()


def test_a_comparison_of_another_plan_is_refused(copy: Path) -> None:
    decision = json.loads((copy / "decision.json").read_text("utf-8"))
    decision["alternatives"][0]["objective_usd"] += 1
    (copy / "decision.json").write_text(json.dumps(decision), "utf-8")
    code, _, said = run("report", copy)
    assert (code, "is the comparison of another plan" in said) == (2, True)


def test_a_comparison_that_cannot_be_read_is_refused(copy: Path) -> None:
    (copy / "decision.json").write_text("{", "utf-8")
    code, _, said = run("report", copy)
    assert (code, "decision.json: cannot be read" in said) == (2, True)


def test_a_plan_alone_has_a_report_without_alternatives(copy: Path) -> None:
    (copy / "decision.json").unlink()
    code, out, _ = run("report", copy, "--json")
    assert (code, json.loads(out)["compared"]) == (0, False)
    assert "alternatives were not planned" in (copy / "report.html").read_text("utf-8")
