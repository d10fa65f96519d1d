"""Cameras, sensor streams, generators of video and core-hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, analytics, simulation, stream, vision

from groundplan.perf import operating_points
from groundplan.perf._chip import chip_of
from groundplan.perf._sensing import frame_s


def _points(workload, server):
    return operating_points(workload, CATALOG.server(server), CATALOG)


@given(batch=st.integers(1, 64), server=st.sampled_from(["hgx-h100-8", "l4-4", "l40s-8"]))
def test_a_frame_is_never_faster_than_its_roofline_and_batches_pay(batch, server):
    card, chip = CATALOG.model("efficientad-s"), chip_of(CATALOG.server(server), CATALOG)
    took = frame_s(card, card.arch, chip, "fp32", batch)
    assert took > batch * card.arch.gflops_per_frame * 1e9 / chip.flop_per_s("fp32")
    assert took > 2 * batch * card.arch.activation_mb * 1e6 / chip.read_bytes_per_s
    assert frame_s(card, card.arch, chip, "fp32", batch + 1) / (batch + 1) <= took / batch


def test_lower_precision_is_used_only_where_allowed_and_is_faster():
    plain = _points(vision(), "l40s-8").points
    both = _points(vision(allowed_precisions=["bf16"]), "l40s-8").points
    assert {p.precision for p in plain} == {"fp32"}
    assert both[0].precision == "bf16"
    assert both[0].capacity_per_s > plain[0].capacity_per_s


def test_vision_refusals_name_figure_and_number():
    late = _points(vision("efficientad-m", latency_ms=3), "l4-4").refusals
    assert [r.rule for r in late] == ["latency"]
    assert "exceeds 3 ms" in late[0].why
    assert [r.rule for r in _points(vision(), "jetson-agx-thor").refusals] == ["missing-figure"]
    assert [r.rule for r in _points(vision("pi0"), "l4-4").refusals] == ["kind"]


def test_a_stream_core_carries_what_was_measured():
    point = _points(stream(), "cpu-2s-64").points[0]
    assert point.capacity_per_s == pytest.approx(1000 / 3)  # 3 ms of a core per channel-second at 25.6 kHz
    assert point.slots_per_replica == 1
    assert point.dynamic_kw == pytest.approx((0.9 - 0.25) / 64)


@given(rate=st.floats(100, 1e5), window=st.floats(0.1, 10))
def test_stream_work_is_proportional_to_samples(rate, window):
    found = _points(stream(sample_rate_hz=rate, window_s=window, latency_ms=1e6), "cpu-2s-64").points[0]
    assert 1 / found.capacity_per_s == pytest.approx(0.003 * rate / 25600 * window)


def test_streams_need_cores_and_time():
    assert [r.rule for r in _points(stream(), "hgx-h100-8").refusals] == ["kind"]
    slow = _points(stream(latency_ms=1.0), "cpu-2s-64").refusals
    assert [r.rule for r in slow] == ["latency"]


def test_video_is_priced_only_where_it_was_measured():
    point = _points(simulation(), "hgx-b200-8").points[0]
    assert point.capacity_per_s == pytest.approx(3600 / 5.34)
    refused = _points(simulation(), "hgx-h100-8").refusals
    assert [r.rule for r in refused] == ["missing-figure"]
    assert "measured on" in refused[0].why
    large = _points(simulation("cosmos-transfer2.5-2b"), "hgx-b200-8").points[0]
    assert large.memory_gb["weights"] == 65.4


def test_core_hours_are_cores():
    point = _points(analytics(), "cpu-2s-64").points[0]
    assert (point.slots_per_replica, point.capacity_per_s, point.service) == (64, 64.0, None)
    assert [r.rule for r in _points(analytics(), "hgx-h100-8").refusals] == ["kind"]
    assert point.row().model == "none"
