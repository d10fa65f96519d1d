"""Anchors: what a measurement moves, by how much, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.catalog import Catalog
from groundplan.errors import CatalogError, GroundplanError, SpecError
from groundplan.measure import ResultError, Run, anchor, anchors_text
from groundplan.measure._fit import MOST_APART
from groundplan.perf import PerfError, chat_workload, operating_points
from groundplan.perf.serving import Deployment, closed_loop
from groundplan.spec import MeasuredSpeed, read_measured

CATALOG = Catalog.default()
CPU = next(row.id for row in CATALOG.servers.rows if row.accelerator is None)
FACTORS = st.floats(0.5, 2.0)


def deployed(model="llama-3.1-70b", server="hgx-h100-8", precision="bf16", ranks=4, engine="vllm", tuning="default"):
    return Deployment(CATALOG.model(model), CATALOG.server(server), precision, ranks, engine, tuning)


def run(deployment, held, level=1.0, fixed=1.0, *, noise=1.0, tool="made up", **changes) -> Run:
    """What a server off by these factors would show."""
    loop = closed_loop(deployment, CATALOG, 1000.0, 250.0, held)
    tpot_ms, token_s = 1e3 * noise * loop.tpot.at(level, fixed), noise * loop.token.at(level, fixed)
    made = Run("load.json", "load.json", tool, None, (), 1000.0, 250.0, tpot_ms, 1.0 / token_s, 100 * held, held)
    return replace(made, **changes)


def points(rows, model="llama-3.1-70b", server="hgx-h100-8", **changes):
    workload = chat_workload(model, prompt_tokens=1000, output_tokens=250, ttft_ms=9000, tpot_ms=4000)
    catalog = CATALOG.with_measured(rows)
    found = operating_points(workload.model_copy(update=changes), catalog.server(server), catalog).points
    return {point.id.rsplit("/", 1)[1].rsplit("-b", 1)[0]: point for point in found}


@pytest.mark.parametrize("deployment", [deployed(), deployed("deepseek-v3", "hgx-b200-8", "fp8", 8, "sglang", "tuned")])
@settings(max_examples=20)
@given(level=FACTORS, fixed=FACTORS, held=st.floats(1, 500))
def test_times_are_linear_in_both_factors(deployment, level, fixed, held):
    from groundplan.perf._closed_loop import _replica, _workload
    from groundplan.perf._measured import anchored
    from groundplan.perf._steady import Asked, tpot_s

    loop = closed_loop(deployment, CATALOG, 1000.0, 250.0, held)
    engine = _replica(deployment, CATALOG, _workload(deployment, 1000.0, 250.0))
    asked = Asked(np.array([1000.0]), np.array([250.0]))
    (seconds,) = tpot_s(engine.terms, anchored(engine.constants, level, fixed), asked, np.array([loop.batch]))
    assert loop.tpot.at(level, fixed) == pytest.approx(float(seconds), rel=1e-9)
    assert loop.tpot.floor_s < loop.tpot.work_s


@pytest.mark.parametrize("loads", [(16,), (1, 16, 128)])
def test_a_benchmark_equal_to_the_prediction_changes_nothing(loads):
    speed = anchor(deployed(), CATALOG, [run(deployed(), held) for held in loads]).speed
    assert (speed.level_factor, speed.fixed_factor, speed.spread_factor) == (1.0, 1.0, 1.0)
    before, after = points([]), points([speed])
    for name, point in after.items():
        assert point.row().model_copy(update={"measured": "", "error_low_factor": 0, "error_high_factor": 0}) == (
            before[name].row().model_copy(update={"error_low_factor": 0, "error_high_factor": 0})
        )
        assert np.array_equal(point.service.step.decode_base_ps, before[name].service.step.decode_base_ps)


def test_one_load_moves_level_and_fixed_time_alike():
    speed = anchor(deployed(), CATALOG, [run(deployed(), 16, noise=1.2)]).speed
    assert (speed.level_factor, speed.fixed_factor) == pytest.approx((1.2, 1.2), abs=1e-5)
    assert speed.spread_factor == pytest.approx(1.0, abs=1e-5)


def test_twenty_percent_slower_is_twenty_percent_slower_at_its_point_half_at_neighbours_and_nowhere_else():
    speed = anchor(deployed(), CATALOG, [run(deployed(), 16, noise=1.2)]).speed
    before, after = points([]), points([speed])
    mine, other = "bf16-tp4", "bf16-tp8"
    for name, slower in ((mine, 1.2), (other, sqrt(1.2))):
        assert after[name].capacity_per_s * slower == pytest.approx(before[name].capacity_per_s, rel=1e-4)
        assert after[name].latency_ms["tpot"] == pytest.approx(slower * before[name].latency_ms["tpot"], rel=1e-4)
        step, was = after[name].service.step, before[name].service.step
        assert step.decode_base_ps[1:] == pytest.approx(slower * was.decode_base_ps[1:], rel=1e-4)
        assert step.prefill_base_ps == pytest.approx(slower * was.prefill_base_ps, rel=1e-4)
    assert after[mine].measured == "measured by you, load.json"
    assert after[mine].error_high_factor == 1.53 < before[mine].error_high_factor
    assert after[other].error_high_factor == before[other].error_high_factor
    assert "moved by 50%" in after[other].measured
    for model in ("llama-3.1-8b", "qwen3-32b"):
        unmoved = points([speed], model)
        assert {name: p.row() for name, p in unmoved.items()} == {n: p.row() for n, p in points([], model).items()}


@pytest.mark.parametrize(
    ("where", "slower"),
    [({"server": "hgx-h200-8"}, 1.0), ({"engine": "sglang"}, 1.0), ({"tuning": "tuned"}, sqrt(1.2))],
    ids=["part", "engine", "tuning"],
)
def test_another_tuning_is_a_neighbour_another_part_or_engine_is_none(where, slower):
    speed = anchor(deployed(), CATALOG, [run(deployed(), 16, noise=1.2)]).speed
    before, after = points([], **where), points([speed], **where)
    for name, point in after.items():
        assert point.capacity_per_s * slower == pytest.approx(before[name].capacity_per_s, rel=1e-4)


def test_what_was_measured_elsewhere_does_not_count_here():
    near = anchor(deployed(), CATALOG, [run(deployed(), 16, noise=1.2)]).speed
    far = anchor(deployed(server="hgx-h200-8"), CATALOG, [run(deployed(server="hgx-h200-8"), 16, noise=0.8)]).speed
    before, after = points([]), points([far, near])
    assert after["bf16-tp8"].capacity_per_s * sqrt(1.2) == pytest.approx(before["bf16-tp8"].capacity_per_s, rel=1e-4)


def test_loads_of_different_weight_tell_level_from_fixed_time():
    def fit(times):
        speed = anchor(deployed(), CATALOG, times * [run(deployed(), held, 1.0, 1.5) for held in (1, 8, 256)]).speed
        return speed.level_factor, speed.fixed_factor

    few, many = fit(1), fit(120)
    assert few[0] < few[1] - 0.03  # in the right direction, shrunk towards one factor
    assert few[1] < many[1]
    assert many == pytest.approx((1.0, 1.5), rel=0.03)  # and less so the more is measured


@settings(max_examples=40)
@given(
    level=st.floats(1.0, 2.0), fixed=FACTORS, loads=st.lists(st.sampled_from([1, 4, 32, 256]), min_size=1, max_size=4)
)
def test_the_fit_meets_the_points_better_than_no_anchor_would(level, fixed, loads):
    found = anchor(deployed(), CATALOG, [run(deployed(), held, level, fixed) for held in loads])
    speed = found.speed
    assert 1 / MOST_APART - 1e-4 <= speed.fixed_factor / speed.level_factor <= MOST_APART + 1e-4

    def missed(a, b):
        return sum((parts.at(a, b) / m - 1.0) ** 2 / len(c.times) for c in found.compared for m, parts in c.times)

    assert missed(speed.level_factor, speed.fixed_factor) <= missed(1.0, 1.0) + 1e-9
    # no common factor does better by more than what the fit pays for keeping both alike
    grid = [missed(a, a) for a in np.exp(np.linspace(log(0.5), log(2.0), 41))]
    assert missed(speed.level_factor, speed.fixed_factor) <= min(grid) + 1e-9


def test_scatter_widens_the_interval_past_that_of_one_anchor():
    loads = [run(deployed(), 16, noise=noise) for noise in (0.6, 1.0, 1.6)]
    speed = anchor(deployed(), CATALOG, loads).speed
    assert speed.spread_factor > 1.5
    assert points([speed])["bf16-tp4"].error_high_factor == speed.spread_factor


def test_points_of_two_deployments_are_refused():
    with pytest.raises(ResultError, match="scatter by a factor"):
        anchor(deployed(), CATALOG, [run(deployed(), 16, noise=noise) for noise in (0.7, 4.0)])


def test_a_short_run_gives_no_rate():
    (found,) = anchor(deployed(), CATALOG, [run(deployed(), 16, requests_count=40)]).compared
    assert found.rate_ratio is None
    assert len(found.times) == 1


@pytest.mark.parametrize(
    ("deployment", "changes", "said"),
    [
        (deployed(), {"tpot_ms": 3.0}, "data-sheet rates allow"),
        (deployed(), {"tpot_ms": 900.0}, "times the predicted time"),
        (deployed(), {"output_tokens_per_s": 1.0}, "times the predicted rate"),
        (deployed(), {"models": ("Qwen/Qwen3-8B",)}, "speaks of Qwen/Qwen3-8B, not of llama-3.1-70b"),
        (deployed(ranks=3), {}, "3 ranks are no cut"),
        (deployed(ranks=1), {}, "tokens of context fit beside the weights"),
        (deployed(precision="fp4", server="hgx-h100-8", ranks=4), {"tpot_ms": 0.1}, "data-sheet rates allow"),
        (deployed(server=CPU), {}, "has no accelerator"),
    ],
)
def test_a_run_of_another_deployment_is_refused(deployment, changes, said):
    made = run(deployed(), 16, **changes)
    with pytest.raises(GroundplanError, match=said):
        anchor(deployment, CATALOG, [made])


def test_a_name_that_a_server_gives_itself_is_no_other_model():
    made = run(deployed(), 16, models=("our-chat", "meta-llama/Llama-3.1-70B-Instruct"))
    assert anchor(deployed(), CATALOG, [made]).speed.model == "llama-3.1-70b"


def test_an_anchors_file_reads_back(tmp_path):
    speed = anchor(deployed(), CATALOG, [run(deployed(), 16, noise=1.07, tool='a "tool"\\')]).speed
    (tmp_path / "anchors.toml").write_text(anchors_text([speed]))
    assert read_measured(tmp_path / "anchors.toml") == (speed,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no list of"),
        ("[[measured]]\n", "measured.0.model: Field required"),
        ("measured = 3\n", "no list of"),
        ("other = 1\n[[measured]]\n", "no list of"),
        ("[[measured", "is no TOML"),
        ("[[measured]]\nlevel_factor = nan\n", "measured.0.level_factor: Input should be"),
        ("[[measured]]\nlevel_factor = 40.0\n", "less than or equal to 10"),
        ("[[measured]]\ntensor_ranks_count = true\n", "valid integer"),
        ("[[measured]]\nfactor = 1\n", "measured.0.factor: Extra inputs"),
    ],
)
def test_a_bad_anchors_file_is_refused_at_its_place(tmp_path, text, said):
    path = tmp_path / "anchors.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"anchors\.toml") as caught:
        read_measured(path)
    assert said in str(caught.value)
    with pytest.raises(SpecError, match="no such file"):
        read_measured(tmp_path / "none.toml")


def test_rows_of_another_release_or_twice_the_same_deployment_are_refused():
    speed = anchor(deployed(), CATALOG, [run(deployed(), 16)]).speed
    with pytest.raises(PerfError, match=r"was compared with serving-2025\.01"):
        points([speed.model_copy(update={"against": "serving-2025.01"})])
    with pytest.raises(PerfError, match="is measured in row 0 already"):
        points([speed, speed.model_copy(update={"accelerator": "H100 SXM5 80GB"})])
    with pytest.raises(CatalogError, match="unknown model"):
        points([speed.model_copy(update={"model": "nobody-7b"})])


def test_the_reference_version_is_that_of_the_shipped_model():
    assert isinstance(anchor(deployed(), CATALOG, [run(deployed(), 4)]).speed, MeasuredSpeed)
    assert issubclass(ResultError, GroundplanError)
