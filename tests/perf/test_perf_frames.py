"""Time of image models: closed forms, and what more of anything must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, vision

from groundplan.perf import operating_points
from groundplan.perf._types import Refused
from groundplan.perf.frames import FrameConstants, FrameWork, frame_file, frame_work, frames_s, stream_s, work_s

CONSTANTS = FrameConstants(
    share=0.5, call_s=1e-3, elements=0.5, read_share=0.8, slow_factor=2.0, attention_factor=1.5, grouped_factor=0.6
)


def _work(**more):
    base = {"compute_s": 2e-3, "weights_s": 1e-3, "root_s": 4e-3, "stated_s": math.nan, "slow": False}
    return FrameWork(**{**base, "attention": False, "grouped": False, **more})


@pytest.mark.parametrize(
    ("more", "batch", "ms"),
    [
        ({}, 1, 1 + 4 + (1 + 2) / 0.8),
        ({}, 4, 1 + 16 + (1 + 8) / 0.8),
        ({"slow": True}, 1, 2 + 4 + 3 / 0.8),
        ({"stated_s": 1e-3}, 1, 1 + 4 + (1 + 1) / 0.8),
        ({"attention": True}, 1, 1 + 4 / 1.5 + 3 / 0.8),
        ({"grouped": True}, 1, 1 + 4 / 0.6 + 3 / 0.8),
    ],
)
def test_calls_by_hand(more, batch, ms):
    assert frames_s(CONSTANTS, _work(**more), batch) * 1e3 == pytest.approx(ms)


def test_figures_and_columns_agree_and_a_faster_part_saves_all_but_the_call():
    one = _work(slow=True)
    both = FrameWork(*(np.array([getattr(one, name)] * 2) for name in FrameWork.__slots__))
    assert frames_s(CONSTANTS, both, np.array([1.0, 8.0])).tolist() == [
        float(frames_s(CONSTANTS, one, 1)), float(frames_s(CONSTANTS, one, 8)),
    ]  # fmt: skip
    assert frames_s(CONSTANTS, one, 3, effect=2.0) == pytest.approx(2e-3 + work_s(CONSTANTS, one, 3) / 2)


@given(st.sampled_from(["yolov8m", "vit-b-16", "resnet50", "efficientad-s"]), st.sampled_from(["l4", "h100-sxm"]),
       st.sampled_from(["bf16", "int8"]), st.integers(1, 63))  # fmt: skip
def test_frames_take_longer_than_the_peaks_allow_and_batches_pay(model, part, precision, batch):
    card, row, file = CATALOG.model(model), CATALOG.accelerator(part), frame_file()
    work = frame_work(card, card.arch, row, precision)
    for engine in file.engines:
        constants = file.constants(engine, precision)
        took, more = (float(frames_s(constants, work, size)) for size in (batch, batch + 1))
        assert took > batch * work.compute_s
        assert more / (batch + 1) <= took / batch


def test_a_stream_hides_the_shorter_of_call_and_work():
    assert stream_s(CONSTANTS, _work()) == pytest.approx(4e-3 + 3e-3 / 0.8)
    short = _work(compute_s=1e-5, weights_s=0.0, root_s=0.0)
    assert stream_s(CONSTANTS, short) == 1e-3
    assert stream_s(CONSTANTS, _work(slow=True), effect=10.0) == 2e-3


def test_work_of_a_card_by_hand():
    card, row = CATALOG.model("yolov8m"), CATALOG.accelerator("l4")
    work = frame_work(card, card.arch, row, "int8")
    assert work.compute_s == pytest.approx(78.9e9 / 242e12)
    assert work.weights_s == pytest.approx(25.9e6 / 300e9)
    assert work.root_s == pytest.approx(2 * math.sqrt(78.9e9 * 640 * 640) / 300e9)
    assert math.isnan(work.stated_s)
    with pytest.raises(Refused, match="fp8"):
        frame_work(card, card.arch, CATALOG.accelerator("jetson-agx-orin-64"), "fp8")


def test_kinds_of_operators_are_named_on_the_cards():
    kinds = {
        name: CATALOG.model(name).arch.operators for name in ("vit-b-16", "rf-detr-medium", "retinanet", "yolov8n")
    }
    assert list(kinds.values()) == ["attention", "attention", "grouped", "convolution"]


def test_plans_carry_the_interval_of_calls():
    point = operating_points(vision(), CATALOG.server("l40s-8"), CATALOG).points[0]
    assert point.error_high_factor == frame_file().factors["call"]
    assert frame_file().effect("l40s") != frame_file().effect("a part that nobody measured") == 1.0
