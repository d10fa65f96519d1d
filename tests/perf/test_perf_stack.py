"""Stacks of robot policies: closed forms, and what more of anything must do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, control

from groundplan.perf import operating_points
from groundplan.perf._control import ENGINE
from groundplan.perf._types import Refused
from groundplan.perf.policies import (
    Asked,
    Calls,
    Host,
    Stack,
    call_s,
    layer_passes,
    policy_call,
    roofline_of,
    slow_cores,
    stack_file,
    unified_memory,
)

STACK, HOST = Stack(share=0.5, layer_s=1e-4, call_s=5e-3), Host(slow_factor=3.0, unified_factor=0.5, read_share=0.8)


def _calls(slow=False, unified=False):
    return Calls(10e-3, compute_s=6e-3, moving_s=8e-3, layer_passes=100, slow_cores=slow, unified=unified)


@pytest.mark.parametrize(
    ("name", "slow", "unified", "ms"),
    [
        ("tensorrt", False, False, 5 + 20 + 10),
        ("tensorrt", True, True, 15 + 20 + 30),
        ("graph", False, False, 5 + 12 + 10 - 10 * 4 / 6 + 10),  # the roofline hides 4 of 6 ms of computing
        ("graph", False, True, 5 + 24 + 10 - 10 * 4 / 6 + 10),
        ("eager", False, False, 5 + 22),
        ("eager", True, False, 15 + 30),
    ],
)
def test_calls_by_hand(name, slow, unified, ms):
    assert call_s(name, STACK, HOST, _calls(slow, unified)) * 1e3 == pytest.approx(ms)


def test_figures_and_columns_agree():
    columns = Calls(*(np.array([value, value]) for value in (10e-3, 6e-3, 8e-3, 100, False, True)))
    assert (
        call_s("graph", STACK, HOST, columns).tolist() == [float(call_s("graph", STACK, HOST, _calls(False, True)))] * 2
    )


PARTS = ["h100-sxm", "rtx-4090", "jetson-thor", "jetson-agx-orin-64"]
NAMES = sorted(stack_file().stacks)


@given(st.sampled_from(PARTS), st.sampled_from(NAMES), st.integers(1, 4), st.integers(1, 20), st.integers(1, 100))
def test_more_cameras_steps_and_robots_never_take_less_and_no_stack_beats_the_roofline(
    part, name, cameras, steps, chunk
):
    row, arch, file = CATALOG.accelerator(part), CATALOG.model("pi0").arch, stack_file()

    def seconds(asked):
        return float(call_s(name, file.stacks[name], file.host, policy_call(arch, row, "bf16", asked)))

    base = seconds(Asked(cameras, steps, chunk))
    assert base > policy_call(arch, row, "bf16", Asked(cameras, steps, chunk)).roofline_s
    more = (Asked(cameras + 1, steps, chunk), Asked(cameras, steps + 1, chunk), Asked(cameras, steps, chunk, batch=2))
    assert all(seconds(one) >= base for one in more)


def test_layers_that_a_call_passes():
    assert layer_passes(CATALOG.model("pi0").arch, 10, 50) == 27 + 18 + 10 * 18
    assert layer_passes(CATALOG.model("openvla-7b").arch, 0, 1) == 24 + 27 + 32 + 7 * 32
    per_chunk = CATALOG.model("openvla-7b").arch.model_copy(update={"decode_per": "chunk"})
    assert layer_passes(per_chunk, 0, 8) == 24 + 27 + 32 + 7 * 32


def test_formats_without_a_unit_are_refused_or_unpacked():
    orin = CATALOG.accelerator("jetson-agx-orin-64")
    with pytest.raises(Refused, match="fp8"):
        roofline_of(orin, "fp8")
    unpacked = roofline_of(orin, "fp8", weight_only=True)
    assert (unpacked.flop_per_s, unpacked.weight_bytes) == (orin.dense_bf16_tflops * 1e12, 1.0)
    assert roofline_of(CATALOG.accelerator("rtx-4090"), "int8").flop_per_s == 2 * 165.2e12


def test_small_parts_are_told_apart():
    parts = {name: CATALOG.accelerator(name) for name in (*PARTS, "gb10")}
    assert [name for name, row in parts.items() if slow_cores(row)] == ["jetson-agx-orin-64"]
    assert [name for name, row in parts.items() if unified_memory(row)] == ["jetson-thor", "jetson-agx-orin-64", "gb10"]


def test_plans_name_their_stack_and_carry_its_interval():
    point = operating_points(control(), CATALOG.server("hgx-h100-8"), CATALOG).points[0]
    assert point.engine == ENGINE
    assert point.error_high_factor == stack_file().factors["graph"]
    assert point.error_low_factor == pytest.approx(1 / point.error_high_factor)
