"""Watts of one accelerator: between idle and TDP, rising with use, and the constants that the package ships."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG

from groundplan.perf._watts import parse_power
from groundplan.perf.power import (
    Denoiser,
    ImageDraw,
    ImageUse,
    TokenDraw,
    TokenUse,
    denoisers,
    image_watts,
    power_file,
    token_watts,
)

PARTS = ("h100-sxm", "b200", "l40s", "jetson-thor")
SHARE = st.floats(0, 1)


@given(st.sampled_from(PARTS), st.sampled_from(["text", "media"]), SHARE, SHARE, SHARE, st.integers(1, 8), SHARE)
def test_serving_draws_between_idle_and_tdp_and_never_less_for_more_use(part, family, read, flop, prefill, ranks, more):
    row = CATALOG.accelerator(part)
    drawn = token_watts(row, TokenUse(read, flop, prefill, ranks), family)
    assert row.idle_w <= drawn.watts <= row.tdp_w * (1 + 1e-12)
    assert drawn.low < drawn.watts <= drawn.high <= row.tdp_w * (1 + 1e-12)
    reading = token_watts(row, TokenUse(min(1.0, read + more), flop, prefill, ranks), family)
    computing = token_watts(row, TokenUse(read, min(1.0, flop + more), prefill, ranks), family)
    assert min(reading.watts, computing.watts) >= drawn.watts - 1e-9


@given(st.sampled_from(PARTS), st.floats(0, 10), SHARE, st.integers(1, 8), st.floats(0, 10))
def test_longer_passes_never_draw_less(part, forward_s, flop, ranks, more):
    row = CATALOG.accelerator(part)
    drawn = image_watts(row, ImageUse(forward_s, flop, ranks)).watts
    assert row.idle_w <= drawn <= row.tdp_w * (1 + 1e-12)
    assert image_watts(row, ImageUse(forward_s + more, flop, ranks)).watts >= drawn - 1e-9


def test_shares_by_hand():
    draw = TokenDraw(active=0.2, read=0.5, flop=1.0, rank=0.9, prefill=0.95)
    assert draw.share(TokenUse(0.4, 0.04)) == pytest.approx(0.2 + 0.2 + 0.2)
    assert draw.share(TokenUse(0.4, 0.04, ranks=4)) == pytest.approx(0.6 - 0.2)
    assert draw.share(TokenUse(0.4, 0.04, prefill_share=0.5)) == pytest.approx(0.3 + 0.475)
    assert draw.share(TokenUse(1.0, 1.0)) == 1.0
    image = ImageDraw(active=0.1, busy=0.6, flop=0.5, rank=1.0, gap_s=0.02)
    assert image.share(ImageUse(0.02, 0.04)) == pytest.approx(0.1 + 0.3 + 0.1)


def test_parts_that_nobody_measured_use_the_shares_of_all_parts():
    pooled = power_file().draw("text", "*")
    assert power_file().draw("text", "l4") == pooled
    assert power_file().draw("text", "h100-sxm") != pooled
    assert power_file().draw("text", "h200-sxm") == power_file().draw("text", "h100-sxm")
    assert power_file().factor("text", "h200-sxm") == power_file().factor("text", "*")
    assert all(CATALOG.accelerator(part) for pair in power_file().kin.items() for part in pair)
    row = CATALOG.accelerator("l4")
    share = float(pooled.share(TokenUse(0.5, 0.1)))
    assert token_watts(row, TokenUse(0.5, 0.1)).watts == pytest.approx(row.idle_w + share * (row.tdp_w - row.idle_w))


def test_a_row_of_constants_needs_all_of_them():
    row = {"family": "text", "accelerator": "*", "factor": 1.2, "active": 0.2, "read": 0.5, "flop": 1.0, "rank": 1.0}
    with pytest.raises(KeyError, match="prefill"):
        parse_power({"version": "v", "fits": [row]})


def test_work_of_a_denoiser_by_hand():
    small = Denoiser("x", params_b=1.0, tokens=1000, steps=20, passes=2, width=512, layers=10)
    assert small.step_flop(3) == 3 * 2 * (2e9 * 1000 + 4 * 1000**2 * 512 * 10)
    assert all(math.isfinite(one.step_flop(1)) and one.step_flop(1) > 1e11 for one in denoisers().values())
