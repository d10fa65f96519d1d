"""What is left out of the program may cost a little, and never understates a need."""

from __future__ import annotations

from math import ceil, inf

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.plan import PointRow, StaffingRow, TangentRow
from groundplan.problem._prune import (
    GRID,
    fewest_tangents,
    replicas_needed,
    slots_needed,
    worth_offering,
    worth_running,
)

Row = tuple[PointRow, StaffingRow]


def _point(name: str, slots: int, capacity_per_s: float, dynamic_kw: float = 1.0, nodes: int = 1) -> PointRow:
    return PointRow(
        id=name, workload="w", server="s", model="m", engine="e", precision="bf16", slots_per_replica=slots,
        nodes_per_replica=nodes, capacity_per_s=capacity_per_s, dynamic_kw=dynamic_kw, latency_ms={}, memory_gb={},
        error_low_factor=0.8, error_high_factor=1.2, why="",
    )  # fmt: skip


def _staffing(name: str, *tangents: tuple[float, float, float]) -> StaffingRow:
    rows = tuple(TangentRow(alpha=a, beta=b, load_max=most) for a, b, most in tangents)
    return StaffingRow(point=name, origin="o", site="s", network_ms=0.0, tangents=rows)


TANGENTS = st.lists(st.tuples(st.floats(1, 4), st.floats(0.05, 3), st.floats(0.3, 40)), min_size=1, max_size=5)
ROWS = st.lists(st.tuples(st.integers(1, 8), st.floats(0.2, 20), st.floats(0.1, 5), TANGENTS), min_size=1, max_size=5)
PEAK, LEAST = st.floats(0.01, 200), st.integers(1, 2)


def _rows(drawn: list[tuple[int, float, float, list[tuple[float, float, float]]]]) -> list[Row]:
    return [(_point(f"p{k}", n, c, kw), _staffing(f"p{k}", *t)) for k, (n, c, kw, t) in enumerate(drawn)]


def _by_hand(staffing: StaffingRow, load: float) -> float:
    """Replicas by the best tangent that covers the load."""
    needs = [ceil(t.alpha * load + t.beta - 1e-9) for t in staffing.tangents if load <= t.load_max]
    return min(needs, default=inf)


@given(tangents=TANGENTS, capacity=st.floats(0.2, 20), peak=PEAK, least=LEAST, part=st.floats(0.001, 1))
def test_fewer_tangents_ask_for_no_fewer_replicas_at_any_load(tangents, capacity, peak, least, part):
    whole = _staffing("p", *tangents)
    kept = fewest_tangents(_point("p", 1, capacity), whole, peak, least)
    assert set(kept.tangents) <= set(whole.tangents)
    load = part * peak / capacity
    assert _by_hand(kept, load) >= _by_hand(whole, load)


@given(tangents=TANGENTS, capacity=st.floats(0.2, 20), peak=PEAK, least=LEAST)
def test_fewer_tangents_reach_as_far_and_cost_little(tangents, capacity, peak, least):
    whole = _staffing("p", *tangents)
    kept = fewest_tangents(_point("p", 1, capacity), whole, peak, least)
    loads = np.linspace(peak / GRID, peak, GRID) / capacity
    best = np.array([max(least, _by_hand(whole, load * (1 - 1e-9))) for load in loads])
    need = np.array([max(least, _by_hand(kept, load * (1 - 1e-9))) for load in loads])
    assert (np.isfinite(need) == np.isfinite(best)).all()
    reached = np.isfinite(best)
    if reached.any() and len(kept.tangents) < len(whole.tangents):
        # One step of the grid may sit on a whole number, where a part in 1e9 decides.
        assert (need[reached] / best[reached]).mean() <= 1.03 + 1 / reached.sum()


def test_one_tangent_is_enough_where_the_spare_replica_hides_the_others():
    rows = _staffing("p", (2.0, 0.1, 0.5), (1.1, 0.6, 30.0))
    point = _point("p", 1, 1.0)
    assert fewest_tangents(point, rows, 1.0, 2).tangents == rows.tangents[1:]
    two = _staffing("p", (1.9, 0.1, 1.0), (1.1, 4.0, 30.0))
    assert fewest_tangents(point, two, 3.0, 1) == two


@settings(max_examples=40)
@given(drawn=ROWS, peak=PEAK, least=LEAST)
def test_one_of_the_cheapest_in_slots_is_offered_at_each_load(drawn, peak, least):
    rows = _rows(drawn)
    kept = worth_offering(rows, peak, least)
    assert [row for row in rows if row in kept] == kept
    for load in np.linspace(peak / GRID, peak, GRID):
        assert min(slots_needed(*row, load, least) for row in kept) == min(
            slots_needed(*row, load, least) for row in rows
        )


@settings(max_examples=40)
@given(drawn=ROWS, peak=PEAK, least=LEAST)
def test_no_offered_point_is_beaten_by_another_everywhere(drawn, peak, least):
    kept = worth_offering(_rows(drawn), peak, least)
    loads = np.linspace(peak / GRID, peak, GRID)
    needs = [tuple(slots_needed(*row, load, least) for load in loads) for row in kept]
    assert len(set(needs)) == len(needs)
    for a in needs:
        assert not any(a != b and all(x <= y for x, y in zip(a, b, strict=True)) for b in needs)


def test_of_equals_the_one_that_burns_less_is_offered():
    rows = [(_point(name, 2, 4.0, kw), _staffing(name, (1.1, 0.5, 30.0))) for name, kw in (("hot", 2.0), ("cool", 1.0))]
    assert [point.id for point, _ in worth_offering(rows, 10.0, 1)] == ["cool"]


@given(tangents=TANGENTS, load=st.floats(0.001, 60))
def test_replicas_are_those_of_the_best_tangent_that_covers_the_load(tangents, load):
    staffing = _staffing("p", *tangents)
    expected = _by_hand(staffing, load)
    assert replicas_needed(staffing, load) == (None if expected == inf else expected)
    slots = slots_needed(_point("p", 3, 2.0, nodes=2), staffing, 2 * load, 2)
    assert slots == max(2, expected) * 6


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3), st.floats(0.1, 50)), min_size=1, max_size=7))
def test_a_gang_is_dropped_only_for_one_no_larger_that_does_more_per_slot(drawn):
    points = [_point(f"g{k}", slots, rate, nodes=nodes) for k, (slots, nodes, rate) in enumerate(drawn)]
    kept = worth_running(points)

    def size(point: PointRow) -> int:
        return point.slots_per_replica * point.nodes_per_replica

    assert kept
    assert {p.id for p in kept} <= {p.id for p in points}
    assert sorted({size(p) for p in kept}) == [size(p) for p in kept]
    rates = [p.capacity_per_s / size(p) for p in kept]
    assert rates == sorted(set(rates))
    for point in points:
        assert any(
            size(k) <= size(point) and k.capacity_per_s / size(k) >= point.capacity_per_s / size(point) for k in kept
        )
