"""The algebra of labelled expressions against dense arrays."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.optimize._algebra import Axis, Columns, Expression, labels_of, table

A, B, C = Axis("a", ("x", "y", "z")), Axis("b", ("0", "1")), Axis("c", ("k", "l", "m", "n"))
NONE = Axis("none", ())
COLUMNS = Columns()
BLOCK_AB, BLOCK_BC = COLUMNS.add("u", A, B), COLUMNS.add("v", B, C)
U, V = COLUMNS.expression(BLOCK_AB), COLUMNS.expression(BLOCK_BC)
X = np.random.default_rng(7).normal(size=COLUMNS.width)
DENSE_U, DENSE_V = X[:6].reshape(3, 2), X[6:].reshape(2, 4)
ON_A, ON_AC = table([1.0, -2.0, 0.5], A), table(np.arange(12) - 4.5, A, C)


def assert_equals(expression: Expression, *axes: Axis, dense: np.ndarray | float) -> None:
    """Its axes, and its values at a point of no special kind."""
    assert expression.axes == axes
    assert expression.values(X) == pytest.approx(np.asarray(dense))
    assert expression.values(X).shape == tuple(len(axis) for axis in axes)
    assert expression.rows.shape == (int(np.prod([len(axis) for axis in axes])), COLUMNS.width)


def test_a_block_is_its_columns_row_by_row():
    assert_equals(U, A, B, dense=DENSE_U)
    assert_equals(V, B, C, dense=DENSE_V)
    assert U.rows.toarray().tolist() == np.eye(6, 14).tolist()
    assert BLOCK_BC.values(X) == pytest.approx(DENSE_V)
    assert list(labels_of(U.axes)) == ["x,0", "x,1", "y,0", "y,1", "z,0", "z,1"]


@pytest.mark.parametrize("op", [operator.add, operator.sub])
def test_sums_and_differences_repeat_over_the_axes_that_they_lack(op):
    assert_equals(op(U, V), A, B, C, dense=op(DENSE_U[:, :, None], DENSE_V[None]))
    assert_equals(op(U, ON_A), A, B, dense=op(DENSE_U, ON_A.values[:, None]))
    assert_equals(op(V, ON_AC), B, C, A, dense=op(DENSE_V[:, :, None], ON_AC.values.T[None]))
    assert_equals(op(U, 2.5), A, B, dense=op(DENSE_U, 2.5))
    assert_equals(op(2.5, U), A, B, dense=op(2.5, DENSE_U))


def test_products_repeat_over_the_axes_that_they_lack():
    assert_equals(U * ON_A, A, B, dense=DENSE_U * ON_A.values[:, None])
    assert_equals(U * ON_AC, A, B, C, dense=DENSE_U[:, :, None] * ON_AC.values[:, None, :])
    assert_equals(-3 * U, A, B, dense=-3 * DENSE_U)
    assert_equals((U + 1.0) * ON_A, A, B, dense=(DENSE_U + 1) * ON_A.values[:, None])
    product = ON_A * table([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], A, B)
    assert product.axes == (A, B)
    assert product.values.tolist() == [[1, 2], [-6, -8], [2.5, 3]]


def test_the_order_of_axes_does_not_matter_only_their_names_do():
    turned = table(np.arange(6.0).reshape(2, 3), B, A)
    assert_equals(U + turned, A, B, dense=DENSE_U + np.arange(6).reshape(2, 3).T)
    assert_equals(U * turned, A, B, dense=DENSE_U * np.arange(6).reshape(2, 3).T)


def test_sums_over_axes():
    wide = U + V
    dense = DENSE_U[:, :, None] + DENSE_V[None]
    assert_equals(wide.sum(B), A, C, dense=dense.sum(axis=1))
    assert_equals(wide.sum(C, A), B, dense=dense.sum(axis=(0, 2)))
    assert_equals(wide.sum(), dense=dense.sum())


@given(st.lists(st.integers(-1, 2), min_size=4, max_size=4))
def test_totals_by_group_leave_out_group_minus_one(groups):
    into = Axis("g", ("p", "q", "r"))
    dense = np.stack([DENSE_V[:, [g == k for g in groups]].sum(axis=1) for k in range(3)], axis=1)
    assert_equals(V.total(C, groups, into), B, into, dense=dense)
    constants = (V + 1.0).total(C, groups, into).constants.reshape(2, 3)
    assert constants.tolist() == [[groups.count(k) for k in range(3)]] * 2


@given(st.lists(st.integers(0, 3), max_size=6))
def test_take_repeats_and_reorders_rows(where):
    into = Axis("t", tuple(f"{k}" for k in range(len(where))))
    assert_equals(V.take(C, where, into), B, into, dense=DENSE_V[:, where].reshape(2, len(where)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=5))
def test_entries_pick_positions_of_several_axes_at_once(spots):
    into = Axis("e", tuple(f"{k}" for k in range(len(spots))))
    a, c = [spot[0] for spot in spots], [spot[1] for spot in spots]
    dense = DENSE_U[:, :, None] + DENSE_V[None]
    assert_equals((U + V).entries(into, a=a, c=c), into, B, dense=np.stack([dense[i, :, k] for i, k in spots]))
    assert_equals((U + V).entries(into, c=c, a=a), into, B, dense=np.stack([dense[i, :, k] for i, k in spots]))


def test_part_keeps_labels_with_their_rows():
    assert_equals(U.part(A, [2, 0]), Axis("a", ("z", "x")), B, dense=DENSE_U[[2, 0]])
    assert_equals(V.part(C, slice(1, None)), B, Axis("c", ("l", "m", "n")), dense=DENSE_V[:, 1:])
    piece = ON_AC.part(C, slice(None, None, -2))
    assert piece.axes == (A, Axis("c", ("n", "l")))
    assert piece.values.tolist() == ON_AC.values[:, [3, 1]].tolist()
    with pytest.raises(ValueError, match="do not align"):
        U + U.part(A, [2, 1, 0])


def test_other_labels_for_the_same_rows():
    new = A.renamed("later")
    assert_equals(U.relabelled(A, new), new, B, dense=DENSE_U)
    assert_equals(U.relabelled(A, new) + U.sum(B), new, B, A, dense=DENSE_U[:, :, None] + DENSE_U.sum(axis=1))


def test_empty_axes_are_carried_along():
    nothing = COLUMNS.zero(NONE, A)
    assert_equals(nothing, NONE, A, dense=np.zeros((0, 3)))
    assert_equals(nothing.sum(NONE), A, dense=np.zeros(3))
    assert_equals(nothing.sum(), dense=0.0)
    assert_equals(nothing.total(NONE, [], B), B, A, dense=np.zeros((2, 3)))
    assert_equals(nothing + U, NONE, A, B, dense=np.zeros((0, 3, 2)))
    assert_equals(nothing * table([], NONE), NONE, A, dense=np.zeros((0, 3)))
    assert_equals(V.take(C, [], NONE), B, NONE, dense=np.zeros((2, 0)))
    assert_equals(V.entries(NONE, b=[], c=[]), NONE, dense=np.zeros(0))
    assert_equals(U.total(A, [-1, -1, -1], NONE), NONE, B, dense=np.zeros((0, 2)))


@pytest.mark.parametrize("groups", [[0], [0, 1, 0], [0, 2], [0, -2]])
def test_groups_that_do_not_fit_the_axis_are_refused(groups):
    into, two = Axis("g", ("p", "q")), V.part(C, [0, 1])
    with pytest.raises(ValueError, match="groups"):
        two.total(two.axes[1], groups, into)


def test_a_row_compares_to_zero_on_its_left():
    for row, sense in ((U <= ON_A, "<="), (U >= ON_A, ">="), (U == ON_A, "==")):
        assert row.sense == sense
        assert_equals(row.left, A, B, dense=DENSE_U - ON_A.values[:, None])


def test_bounds_stand_by_label():
    columns = Columns()
    first = columns.add("first", A, B, upper=ON_A, integer=True)
    second = columns.add("second", A, lower=-1.0)
    assert first.upper.tolist() == [1, 1, -2, -2, 0.5, 0.5]
    assert first.lower.tolist() == [0] * 6
    assert (second.start, len(second), columns.width) == (6, 3, 9)
    assert second.lower.tolist() == [-1] * 3
    assert np.isinf(second.upper).all()


SHUFFLED = Axis("a", ("y", "x", "z"))
SHORT = Axis("a", ("x", "y"))


@pytest.mark.parametrize("other", [SHUFFLED, SHORT])
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.le, operator.ge, operator.eq])
def test_labels_that_do_not_align_raise(op, other):
    with pytest.raises(ValueError, match="labels of axis 'a' do not align"):
        op(U, table(np.zeros(len(other)), other))


@pytest.mark.parametrize("axis", [SHUFFLED, SHORT, C, NONE])
def test_an_axis_that_is_not_there_raises(axis):
    calls = (
        lambda: U.sum(axis), lambda: U.sum(B, axis), lambda: U.total(axis, [0] * len(axis), C),
        lambda: U.take(axis, [0], Axis("t", ("0",))), lambda: U.part(axis, []), lambda: U.relabelled(axis, C),
        lambda: ON_A.part(axis, slice(None)),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="is not one of"):
            call()


def test_shapes_and_labels_are_checked():
    with pytest.raises(ValueError, match="stands twice"):
        Axis("a", ("x", "x"))
    with pytest.raises(ValueError, match="reshape"):
        table([1.0, 2.0], A)
    with pytest.raises(ValueError, match="labels of axis"):
        COLUMNS.zero(A) + COLUMNS.zero(SHORT)
