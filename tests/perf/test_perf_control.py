"""Robot policies against published rooflines, and the arithmetic of chunks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, control

from groundplan.perf import PerfError, chunk_delay_steps, operating_points
from groundplan.perf._control import Roofline, latency_limit_ms, policy_phases
from groundplan.perf.policies import stack_file

# VLA-Perf (arXiv 2602.18397), table 3: pi0, three cameras, 800 prefix tokens, chunk 50, ten steps, batch 1, bf16.
# Dense TFLOP/s and GB/s of each part; those of Thor are solved back from its balance point.
TABLE_3 = {
    "Jetson Thor": (400.0, 270.0, (6.06, 20.3, 26.2), 52.57),
    "RTX 4090": (165.2, 1008.0, (4.02, 19.79, 7.25), 31.06),
    "A100": (312.0, 2039.0, (2.13, 10.47, 3.6), 16.2),
    "H100": (989.4, 3350.0, (0.71, 3.3, 2.14), 6.15),
    "B100": (1750.0, 8000.0, (0.4, 1.87, 0.91), 3.18),
}


def _phases(roof, **more):
    arch = CATALOG.model("pi0").arch.model_copy(update={"text_tokens": 32})
    return policy_phases(arch, roof, **{"cameras": 3, "denoise_steps": 10, "chunk_steps": 50, **more})


@pytest.mark.parametrize("part", TABLE_3)
def test_pi0_roofline_reproduces_vla_perf(part):
    tflops, gb_per_s, phases_ms, total_ms = TABLE_3[part]
    found = _phases(Roofline(tflops * 1e12, gb_per_s * 1e9))
    assert found.total_s * 1e3 == pytest.approx(total_ms, rel=0.05)
    for mine, theirs in zip((found.vision_s, found.vlm_s, found.action_s), phases_ms, strict=True):
        assert mine * 1e3 == pytest.approx(theirs, rel=0.10)


@given(tflops=st.floats(50, 3000), gb_per_s=st.floats(100, 9000), batch=st.integers(1, 8))
def test_policy_time_moves_the_right_way(tflops, gb_per_s, batch):
    roof = Roofline(tflops * 1e12, gb_per_s * 1e9)
    base = _phases(roof, batch=batch).total_s
    assert _phases(roof, batch=batch + 1).total_s >= base
    assert _phases(roof, batch=batch + 1).total_s / (batch + 1) <= base / batch * (1 + 1e-9)
    assert _phases(Roofline(tflops * 2e12, gb_per_s * 1e9), batch=batch).total_s <= base
    assert _phases(Roofline(tflops * 1e12, gb_per_s * 2e9), batch=batch).total_s <= base
    assert _phases(roof, batch=batch, denoise_steps=20).action_s == pytest.approx(
        2 * _phases(roof, batch=batch).action_s
    )


def test_a_decoded_policy_reads_its_weights_once_a_token():
    arch, roof = CATALOG.model("openvla-7b").arch, Roofline(1e18, 1e12)
    found = policy_phases(arch, roof, cameras=1, denoise_steps=0, chunk_steps=1)
    weights = 2 * (arch.vlm.weights_params() + arch.vocab * arch.vlm.hidden)
    assert found.action_s == pytest.approx(7 * weights / 1e12, rel=0.05)


@given(latency=st.floats(0, 2000), hz=st.floats(1, 200))
def test_delay_is_the_first_step_that_is_not_before_the_answer(latency, hz):
    steps = chunk_delay_steps(latency, hz)
    assert steps * 1e3 / hz >= latency * (1 - 1e-6) - 1e-6
    assert (steps - 1) * 1e3 / hz < latency or steps == 0


@pytest.mark.parametrize(("latency", "hz"), [(math.nan, 50), (-1, 50), (10, 0), (10, math.inf)])
def test_a_delay_needs_real_figures(latency, hz):
    with pytest.raises(PerfError, match="do not make a delay"):
        chunk_delay_steps(latency, hz)


@pytest.mark.parametrize(
    ("mode", "chunk", "replan", "limit_ms"),
    [("rtc", 50, 25, 500.0), ("rtc", 50, 40, 200.0), ("async", 50, 40, 800.0), ("sync", 50, 50, 5000.0)],
)
def test_the_chunk_limits_the_latency(mode, chunk, replan, limit_ms):
    assert latency_limit_ms(control(mode=mode, chunk=chunk, replan=replan, latency_ms=5000)) == limit_ms


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (control(chunk=50, replan=50), "no delay d >= 1"),
        (control(chunk=20, replan=25, mode="sync"), "replanning every 25 steps"),
        (control(chunk=80, replan=25), "returns chunks of 50 steps"),
        (control(chunk=50, replan=1, mode="async"), "async allows 1"),
    ],
)
def test_impossible_chunks_are_refused(case, words):
    found = operating_points(case, CATALOG.server("jetson-agx-thor"), CATALOG)
    assert found.points == ()
    assert {refusal.rule for refusal in found.refusals} == {"chunk"}
    assert words in found.refusals[0].why


def test_a_deadline_that_no_roofline_meets_is_refused_with_the_number():
    found = operating_points(control(latency_ms=20, mode="sync"), CATALOG.server("jetson-agx-thor"), CATALOG)
    assert [refusal.rule for refusal in found.refusals] == ["latency"]
    assert "exceeds 20 ms" in found.refusals[0].why


def test_deployed_points_never_beat_the_roofline():
    for server in ("hgx-h100-8", "l40s-8", "jetson-agx-thor"):
        point = operating_points(control(), CATALOG.server(server), CATALOG).points[0]
        chip = CATALOG.accelerator(CATALOG.server(server).accelerator)
        roof = Roofline(chip.dense_bf16_tflops * 1e12, chip.mem_bw_gb_per_s * 1e9)
        alone = policy_phases(CATALOG.model("pi0").arch, roof, cameras=3, denoise_steps=10, chunk_steps=50)
        assert point.latency_ms["latency"] > alone.total_s * 1e3
        assert point.capacity_per_s < math.inf
        assert len(point.service.batch_ps) in (1, 2, 3, 4)


def _point(server, precision="bf16", **more):
    asked = control(latency_ms=2000, mode="sync", allowed_precisions=[precision], **more)
    return operating_points(asked, CATALOG.server(server), CATALOG).points[0]


THOR = {"accelerator": "Jetson AGX Thor", "precision": "bf16", "latency_ms": 200}


def test_a_timed_call_stands_for_the_model_where_it_ran_and_moves_others_by_shares():
    usual, timed = _point("jetson-agx-thor"), _point("jetson-agx-thor", measured_calls=[THOR])
    assert timed.latency_ms["latency"] == pytest.approx(200, rel=1e-6)
    assert (usual.measured, timed.measured) == ("", "timed by you")
    sizes = stack_file().spreads
    whole = sizes.stack**2 + sizes.host**2 + sizes.part**2 + sizes.row**2
    level = 200 / usual.latency_ms["latency"]
    near = _point("jetson-agx-thor", "fp8", measured_calls=[THOR])
    moved = near.latency_ms["latency"] / _point("jetson-agx-thor", "fp8").latency_ms["latency"]
    assert moved == pytest.approx(level ** ((whole - sizes.row**2) / whole), rel=1e-6)
    far = _point("hgx-h100-8", measured_calls=[THOR])
    moved = far.latency_ms["latency"] / _point("hgx-h100-8").latency_ms["latency"]
    assert moved == pytest.approx(level ** (sizes.stack**2 / whole), rel=1e-6)
    both = _point("hgx-h100-8", measured_calls=[THOR, {**THOR, "precision": "fp8", "latency_ms": 120}])
    widths = [one.error_high_factor for one in (timed, near, both, far, usual)]
    assert widths[0] > 1
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([{**THOR, "accelerator": "abacus"}], "no accelerator 'abacus'"),
        ([THOR, {**THOR, "latency_ms": 150}], "given twice"),
        ([{**THOR, "latency_ms": 1}], "less than the .* data sheet"),
        ([{**THOR, "accelerator": "a100-80-sxm", "precision": "fp8"}], "no stated dense fp8"),
    ],
)
def test_impossible_timed_calls_are_refused(calls, said):
    with pytest.raises(PerfError, match=said):
        _point("jetson-agx-thor", measured_calls=calls)
