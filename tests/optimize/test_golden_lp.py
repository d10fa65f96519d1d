"""Each family as text against a text that was read by eye; GROUNDPLAN_GOLDEN=write writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from optimize_cases import catalog, problem_of, rich

from groundplan.optimize._algebra import Axis, Columns, table
from groundplan.optimize._model import FAMILIES, Program, program
from groundplan.optimize._solve import solve
from groundplan.optimize._text import bound_lines, expression_lines, general_lines, lp_text, row_lines, rows_of
from groundplan.verify import verify

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "lp"


@pytest.fixture(scope="module")
def made() -> Program:
    return program(problem_of(rich()))


def _family(made: Program, name: str) -> str:
    return "\n".join(row_lines(rows_of(made, {name: FAMILIES[name]}), made.columns)) + "\n"


def _objective(made: Program) -> str:
    lines = [text for name, line in made.ledger.lines.items() for text in expression_lines(name, line, made.columns)]
    return "\n".join([*lines, *expression_lines("residual", made.ledger.residual, made.columns)]) + "\n"


def _variables(made: Program) -> str:
    return "\n".join(["Bounds", *bound_lines(made.columns), "Generals", *general_lines(made.columns)]) + "\n"


def assert_reads_as(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.lp"
    if os.environ.get("GROUNDPLAN_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; read it, then write it anew"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_reads_as_it_should(made, name):
    assert_reads_as(name, _family(made, name))


def test_the_cost_lines_read_as_they_should(made):
    assert_reads_as("objective", _objective(made))


def test_bounds_and_integers_read_as_they_should(made):
    assert_reads_as("variables", _variables(made))


def test_every_family_has_a_text_with_a_row_and_no_text_is_left_over():
    texts = {path.stem: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.lp")}
    assert set(texts) == {*FAMILIES, "objective", "variables"}
    for name in FAMILIES:
        assert any(sign in texts[name] for sign in (" = ", " <= ", " >= ")), name


def test_every_named_row_has_an_instance_with_a_variable(made):
    """The tiny factory leaves no row of any family empty."""
    for name, row in made.rows:
        assert row.left.rows.nnz, f"{name} has no row here"


def test_the_factory_of_the_texts_has_a_sound_plan():
    plan = solve(problem_of(rich()))
    assert verify(plan, rich().loaded, catalog()).findings == ()


def test_the_whole_text_holds_every_row_once(made):
    text = lp_text(made)
    assert text == lp_text(made, FAMILIES)
    assert text.startswith("Minimize\n cost: ")
    assert text.endswith("End\n")
    rows = text.split("Subject To\n")[1].split("Bounds\n")[0]
    heads = [line for line in rows.splitlines() if not line.startswith("    ")]
    assert len(heads) == sum(len(row.left.constants) for _, row in made.rows)


def test_figures_signs_and_long_rows():
    columns, axis = Columns(), Axis("a", ("x", "y"))
    block = columns.add("v", axis, lower=table([0.0, -1.0], axis), upper=table([float("inf"), 2.5], axis), integer=True)
    v = columns.expression(block)
    row = (v * table([1.0, -1 / 3], axis)).sum() <= 0.1 + 0.2
    assert list(row_lines([("r", row)], columns)) == [" r: + v(x) - 0.333333333333 v(y) <= 0.3"]
    assert list(row_lines([("e", v * 0.0 == -2.0)], columns)) == [" e(x): 0 = -2", " e(y): 0 = -2"]
    assert list(bound_lines(columns)) == [" -1 <= v(y) <= 2.5"]
    assert list(general_lines(columns)) == [" v(a)"]
    assert list(expression_lines("f", v.sum() * -2.0 + 7.0, columns)) == [" f: - 2 v(x) - 2 v(y) + 7"]
    many = Columns()
    long = many.expression(many.add("variable", Axis("k", tuple(map(str, range(30)))))).sum() <= 1.0
    lines = list(row_lines([("long", long)], many))
    assert len(lines) > 1
    assert max(map(len, lines)) <= 118
    assert all(line.startswith("    + ") for line in lines[1:])
