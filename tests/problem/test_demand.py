"""What must be served and done, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from problem_cases import VALUES, calendar, factory

from groundplan.problem import commodities, jobs
from groundplan.problem._demand import units_per_s
from groundplan.spec import ControlWorkload, Demand, StreamWorkload, VisionWorkload

CHAT, _, TUNE, GROW = VALUES["workloads"]
COMMON = {"title": "x", "model": "m", "data_classes": ["open"], "service_level": {"latency_ms": 100},
          "upload_kb_per_unit": 1, "download_kb_per_unit": 1}  # fmt: skip


def _load(periods: dict[str, int], **demand: Any) -> np.ndarray:
    one = {**CHAT, "demand": [{"origin": "homes", "requests_per_s": 8, **demand}]}
    (commodity,) = commodities(factory(workloads=[one], periods={"months": 0, **periods}), calendar(**periods))
    return commodity.load


def _windows(workload: dict[str, Any], periods: dict[str, int], **demand: Any) -> list[tuple[tuple[int, ...], float]]:
    one = {**workload, "demand": [{**workload["demand"][0], **demand}]}
    (job,) = jobs(factory(workloads=[CHAT, one], periods={"months": 0, **periods}), calendar(**periods))
    return [(window.periods, window.work_units) for window in job.windows]


def test_a_policy_is_called_once_for_the_steps_between_two_plans():
    workload = ControlWorkload.model_validate(
        {**COMMON, "id": "arm", "kind": "control", "control_hz": 50, "chunk_steps": 16, "replan_every_steps": 8,
         "mode": "async", "cameras_per_robot": 2, "demand": [{"origin": "plant", "robots_count": 12}]}
    )  # fmt: skip
    assert units_per_s(workload, workload.demand[0]) == 12 * 50 / 8


def test_every_frame_of_every_camera_is_a_unit():
    workload = VisionWorkload.model_validate(
        {**COMMON, "id": "eye", "kind": "vision",
         "demand": [{"origin": "plant", "cameras_count": 30, "fps_per_s": 2.5}]}
    )  # fmt: skip
    assert units_per_s(workload, workload.demand[0]) == 75


def test_every_channel_asks_once_a_window():
    workload = StreamWorkload.model_validate(
        {**COMMON, "id": "ear", "kind": "stream", "sample_rate_hz": 1000, "window_s": 4,
         "demand": [{"origin": "plant", "channels_count": 200}]}
    )  # fmt: skip
    assert units_per_s(workload, workload.demand[0]) == 50


def test_requests_are_units_and_other_demand_has_no_rate():
    workload = factory().workloads[0]
    assert units_per_s(workload, workload.demand[0]) == 8
    with pytest.raises(TypeError, match="not served at a rate"):
        units_per_s(workload, Demand(origin="plant"))


def test_growth_is_read_at_the_end_of_a_period():
    load = _load({"months": 12, "years": 1}, growth_per_year_rate=0.2)
    ends = [*(np.arange(12) + 1) / 12, 2.0]
    assert load[:, -1] == pytest.approx(8 * 1.2 ** np.array(ends))
    assert load[-1, -1] == pytest.approx(8 * 1.44)


def test_a_profile_scales_buckets_but_not_the_peak():
    load = _load({"years": 2}, profile="p")
    assert load == pytest.approx(np.outer([1, 1], [8 * 0.8, 8 * 0.4, 8]))
    assert _load({"years": 1}) == pytest.approx(np.full((1, 3), 8.0))


def test_demand_lives_from_its_first_month_until_its_last():
    load = _load({"months": 12}, from_month="2027-03", until_month="2027-06")
    assert np.flatnonzero(load[:, -1]).tolist() == [2, 3, 4]
    assert np.unique(load).tolist() == [0.0, 8.0]


def test_each_origin_is_a_commodity_and_its_peak_is_that_of_its_worst_period():
    demand = [{"origin": "homes", "requests_per_s": 8, "growth_per_year_rate": -0.5},
              {"origin": "plant", "requests_per_s": 2, "growth_per_year_rate": 0.5}]  # fmt: skip
    values = factory(workloads=[{**CHAT, "demand": demand}, TUNE])
    found = commodities(values, calendar(years=2))
    assert [c.key for c in found] == ["chat@homes", "chat@plant"]
    assert [c.peak_load for c in found] == pytest.approx([4.0, 4.5])


def test_recurring_work_has_a_window_in_each_period_with_its_growth():
    windows = _windows(TUNE, {"quarters": 4, "years": 1}, growth_per_year_rate=0.5)
    assert [periods for periods, _ in windows] == [(0,), (1,), (2,), (3,), (4,)]
    expected = [60 * 1.5 ** (end / 12) for end in (3, 6, 9, 12)] + [240 * 1.5**2]
    assert [units for _, units in windows] == pytest.approx(expected)


def test_recurring_work_keeps_to_its_months():
    windows = _windows(TUNE, {"months": 12}, from_month="2027-04", until_month="2027-06")
    assert windows == [((3,), 20.0), ((4,), 20.0)]


def test_work_to_a_date_has_one_window_of_the_periods_wholly_inside():
    when = {"start_month": "2027-02", "due_month": "2027-12"}
    assert _windows(GROW, {"months": 3, "quarters": 3}, **when) == [((1, 2, 3, 4), 5e11)]
    assert _windows(GROW, {"years": 2}) == [((0, 1), 5e11)]
