"""Tables of another tool: what gates reject, what is fitted, and that a measurement of the user's goes first."""

from __future__ import annotations

import socket
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables_cases import CATALOG, MadeUp, deployed

from groundplan.errors import GroundplanError
from groundplan.measure import NotCovered, ProviderError, aiconfigurator, anchor, anchors_text, bake, bake_factory
from groundplan.measure import Run as MeasuredRun
from groundplan.measure._aiconfigurator import INSTALL, config_of
from groundplan.measure._tables import MOST_RATIO, SLACK, Cell, like_others, monotone
from groundplan.perf import PerfError, chat_workload, operating_points
from groundplan.perf._measured import TABLE_WEIGHT
from groundplan.perf.serving import Parts, closed_loop
from groundplan.spec import load, read_measured, starter

FACTORS = st.floats(0.6, 1.6)
ALONE = ("vllm",)


def cell(batch: int, tokens: int, seconds: float, *others: float) -> Cell:
    return Cell("decode", batch, tokens, seconds, Parts(1.0, 0.0, 1e-3), others)


def points(rows, **changes):
    workload = chat_workload("llama-3.1-70b", prompt_tokens=1000, output_tokens=250, ttft_ms=9000, tpot_ms=4000)
    catalog = CATALOG.with_measured(rows)
    update = {"tuning": "tuned", **changes}
    found = operating_points(workload.model_copy(update=update), catalog.server("hgx-h100-8"), catalog).points
    return {point.id.rsplit("/", 1)[1].rsplit("-b", 1)[0]: point for point in found}


def measured(slower: float, **where):
    """A row of a user's own benchmark."""
    deployment = deployed(**where)
    loop = closed_loop(deployment, CATALOG, 1000.0, 250.0, 16)
    tpot_ms, rate = 1e3 * slower * loop.tpot.at(1, 1), 1.0 / slower / loop.token.at(1, 1)
    run = MeasuredRun("load.json", "load.json", "made up", None, (), 1000.0, 250.0, tpot_ms, rate, 1600, 16)
    return anchor(deployment, CATALOG, [run]).speed


# --- gates ---


@settings(max_examples=60)
@given(st.lists(st.lists(st.floats(1.0, 9.0), min_size=4, max_size=4), min_size=4, max_size=4), st.randoms())
def test_a_grid_that_grows_with_batch_and_context_passes_whole(steps_s, order):
    cells = [
        cell(2**i, 512 * 2**j, sum(steps_s[a][b] for a in range(i + 1) for b in range(j + 1)))
        for i in range(4)
        for j in range(4)
    ]
    order.shuffle(cells)
    assert monotone(cells) == cells


@settings(max_examples=60)
@given(st.lists(st.floats(0.5, 2.0), min_size=9, max_size=9))
def test_what_is_kept_is_monotone_and_never_empty(factors):
    cells = [cell(2**i, 2**j, factors[3 * i + j] * (1 + i + j)) for i in range(3) for j in range(3)]
    kept = monotone(cells)
    assert kept
    for one in kept:
        assert all(one.seconds <= (1 + SLACK) * more.seconds for more in kept if one.does_no_more(more))


@pytest.mark.parametrize("factor", [4.0, 0.2])
@pytest.mark.parametrize("place", [(0, 0), (1, 2), (3, 3), (0, 3)])
def test_one_wrong_step_goes_and_no_other(place, factor):
    def seconds(i, j):
        return (1.3**i * 1.2**j) * (factor if (i, j) == place else 1.0)

    cells = [cell(2**i, 2**j, seconds(i, j)) for i in range(4) for j in range(4)]
    wrong = cell(2 ** place[0], 2 ** place[1], seconds(*place))
    gone = [one for one in cells if one not in monotone(cells)]
    # a corner that is slow beyond all, or fast below all, contradicts nothing
    fits = (place == (3, 3) and factor > 1) or (place == (0, 0) and factor < 1)
    assert gone == ([] if fits else [wrong])


@pytest.mark.parametrize(
    ("others", "alike"),
    [((), True), ((1.0,), True), ((1.0 / 2.1,), False), ((2.1,), False), ((9.0, 1.5), True), ((9.0, 0.3), False)],
)
def test_a_step_needs_one_other_engine_near_it_where_any_has_data(others, alike):
    assert MOST_RATIO == 2.0
    assert like_others(cell(1, 1, 1.0, *others)) == alike


def test_each_gate_rejects_the_step_that_is_seeded_for_it():
    largest, middle = ("decode", 32, 2048), ("decode", 8, 1024)
    clean = bake(deployed(), CATALOG, MadeUp()).gated
    assert (clean.rejected.below_floor_count, clean.rejected.unlike_others_count) == (0, 0)
    assert (clean.rejected.not_monotone_count, clean.rejected.compared) == (0, True)
    assert len(clean.kept) == clean.cells_count > 40

    def rejected(tool):
        found = bake(deployed(), CATALOG, tool).gated
        counts = found.rejected
        assert len(found.kept) == found.cells_count - 1
        return counts.below_floor_count, counts.unlike_others_count, counts.not_monotone_count

    assert rejected(MadeUp(wrong={largest: 0.1})) == (1, 0, 0)
    assert rejected(MadeUp(wrong={largest: 2.5})) == (0, 1, 0)
    assert rejected(MadeUp(wrong={middle: 1.8})) == (0, 0, 1)
    assert rejected(MadeUp(engines=ALONE, wrong={middle: 2.5})) == (0, 0, 1)  # nobody to compare with


def test_a_step_without_data_is_left_out_and_counts_for_no_gate():
    whole, less = (bake(deployed(), CATALOG, MadeUp(missing=m)).gated for m in (frozenset(), {("decode", 1, 512)}))
    assert less.cells_count == whole.cells_count - 1
    assert less.rejected == whole.rejected


def test_only_steps_that_fit_in_memory_are_asked():
    held = [one.batch * one.tokens for one in bake(deployed(), CATALOG, MadeUp()).gated.kept if one.step == "decode"]
    roomier = bake(deployed(ranks=8), CATALOG, MadeUp()).gated.kept
    assert max(held) < max(one.batch * one.tokens for one in roomier)


# --- rows ---


@settings(max_examples=15)
@given(level=st.floats(0.75, 1.6), fixed=FACTORS)
def test_both_factors_of_tables_are_found_again(level, fixed):
    speed = bake(deployed(), CATALOG, MadeUp(level, fixed)).speed
    assert speed.level_factor == pytest.approx(level, rel=0.06)
    low, high = sorted((level, fixed))
    assert low - 1e-4 <= speed.fixed_factor <= high + 1e-4  # shrunk towards one factor for both
    assert speed.spread_factor < 1.06


def test_a_row_says_where_it_comes_from_and_reads_back(tmp_path):
    rows = [bake(deployed(ranks=ranks), CATALOG, MadeUp(1.2, 1.2)).speed for ranks in (4, 8)]
    assert (rows[0].tool, rows[0].files) == ("made up 1.0", ("tables of vllm",))
    assert rows[0].tables is not None
    assert "compare" in rows[0].tables.model_copy(update={"compared": False}).words
    (tmp_path / "tables.toml").write_text(anchors_text(rows))
    assert "not measured by you" in (tmp_path / "tables.toml").read_text()
    assert read_measured(tmp_path / "tables.toml") == tuple(rows)


def test_tables_move_half_of_their_tuned_deployment_and_nothing_else():
    row = bake(deployed(), CATALOG, MadeUp(1.2, 1.2)).speed
    assert row == bake(deployed(tuning="default"), CATALOG, MadeUp(1.2, 1.2)).speed
    before, after = points([]), points([row])
    slower = 1.2**TABLE_WEIGHT
    assert after["bf16-tp4"].capacity_per_s * slower == pytest.approx(before["bf16-tp4"].capacity_per_s, rel=1e-3)
    assert after["bf16-tp4"].measured == "moved by 50% of what tables of made up 1.0 say, tables of vllm"
    assert after["bf16-tp8"].row() == before["bf16-tp8"].row()
    for changes in ({"tuning": "default"}, {"engine": "sglang"}):
        assert [p.row() for p in points([row], **changes).values()] == [p.row() for p in points([], **changes).values()]


def test_the_interval_is_no_narrower_than_without_tables():
    row = bake(deployed(), CATALOG, MadeUp()).speed
    before, after = points([])["bf16-tp4"], points([row])["bf16-tp4"]
    assert after.error_high_factor == before.error_high_factor
    wide = row.model_copy(update={"spread_factor": 2.5})
    assert points([wide])["bf16-tp4"].error_high_factor == 2.5


def test_a_measurement_of_the_user_goes_first_at_its_deployment_and_at_neighbours():
    row = bake(deployed(), CATALOG, MadeUp(0.8, 0.8)).speed
    mine, near = measured(1.2), measured(1.2, ranks=8)
    for own in (mine, near):
        assert points([row, own])["bf16-tp4"].row() == points([own])["bf16-tp4"].row()
        assert "your" in points([own, row])["bf16-tp4"].measured or "by you" in points([own, row])["bf16-tp4"].measured
    elsewhere = measured(1.2, server="hgx-h200-8", tuning="default")
    assert "tables of" in points([row, elsewhere])["bf16-tp4"].measured


def test_two_rows_of_tables_on_one_deployment_are_refused():
    row = bake(deployed(), CATALOG, MadeUp()).speed
    with pytest.raises(PerfError, match="is measured in row 0 already"):
        points([row, row.model_copy(update={"accelerator": "H100 SXM5 80GB"})])


@pytest.mark.parametrize(
    ("deployment", "tool", "said"),
    [
        (deployed(), MadeUp(engines=("sglang",)), "no tables of vllm"),
        (deployed(), MadeUp(level=0.3, fixed=0.01), "0 of 53 steps pass the gates (53 below the roofline"),
        (deployed(), MadeUp(level=6.0, fixed=6.0), "too far from the model"),
        (deployed(ranks=3), MadeUp(), "3 ranks are no cut"),
        (deployed(ranks=1), MadeUp(), "no step both fits in memory and has data"),
    ],
)
def test_tables_that_do_not_cover_or_do_not_pass_are_refused_with_what_to_do(deployment, tool, said):
    with pytest.raises(GroundplanError) as caught:
        bake(deployment, CATALOG, tool)
    (issue,) = caught.value.issues
    assert said in str(issue)
    assert issue.hint


def test_a_factory_file_is_baked_whole_and_says_what_it_leaves(tmp_path):
    text = starter().replace("model: qwen3-8b", "model: qwen3-32b\n    tuning: tuned", 1)
    (tmp_path / "factory.yaml").write_text(text)
    loaded = load(tmp_path / "factory.yaml")
    found, left = bake_factory(loaded.factory, CATALOG.for_file(loaded), MadeUp(1.1, 1.1))
    rows = [one.speed for one in found]
    cells = [(row.model, row.accelerator, row.engine, row.precision, row.tensor_ranks_count) for row in rows]
    assert len(cells) == len(set(cells)) > 1
    assert all("no step both fits" in why or "tuning: tuned" in why for why in left)
    assert any("no step both fits" in why for why in left)


def test_engines_at_default_settings_have_no_row(tmp_path):
    (tmp_path / "factory.yaml").write_text(starter())
    loaded = load(tmp_path / "factory.yaml")
    found, left = bake_factory(loaded.factory, CATALOG.for_file(loaded), MadeUp())
    assert found == ()
    assert left
    assert all("tuning: tuned" in why for why in left)


# --- the package ---


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiconfigurator_core", None)
    monkeypatch.setitem(sys.modules, "aiconfigurator_core.sdk", None)
    with pytest.raises(ProviderError, match="cannot be loaded") as caught:
        aiconfigurator()
    assert caught.value.issues[0].hint == INSTALL == "pip install groundplan[aiconfigurator]"


@pytest.mark.parametrize(
    ("model", "architecture"),
    [
        ("llama-3.1-70b", "LlamaForCausalLM"),
        ("qwen3-30b-a3b", "Qwen2MoeForCausalLM"),
        ("deepseek-v3", "DeepseekV3ForCausalLM"),
        ("gpt-oss-120b", "GptOssForCausalLM"),
        ("gemma-3-27b", None),
        ("deepseek-v3.2", None),
        ("qwen3-next-80b-a3b", None),
    ],
)
def test_a_shape_is_asked_as_what_it_is_or_not_at_all(model, architecture):
    arch = CATALOG.model(model).transformer()
    if architecture is None:
        with pytest.raises(NotCovered, match="this shape"):
            config_of(arch, None)
    else:
        config = config_of(arch, 4096)
        assert config["architectures"] == [architecture]
        assert (config["num_hidden_layers"], config["max_position_embeddings"]) == (arch.layers, 4096)


@pytest.fixture
def tool(monkeypatch):
    """The package itself, without a network."""
    pytest.importorskip("aiconfigurator_core")

    def refuse(*_: object, **__: object):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return aiconfigurator()


def test_the_package_answers_without_a_network_and_always_the_same(tool):
    one, again = (bake(deployed(), CATALOG, tool).speed for _ in range(2))
    assert one == again
    assert (one.tool, one.files) == ("AIConfigurator 0.12.0", ("h100_sxm vllm",))
    assert 0.7 < one.level_factor < 1.1
    assert one.points_count > 40


def test_a_configuration_of_ours_gives_what_its_own_gives(tool):
    ours = tool.tables(deployed(), "vllm")
    own = tool.compile(
        "meta-llama/Meta-Llama-3.1-70B", "h100_sxm", "vllm", tp_size=4, kvcache_quant_mode="bfloat16"
    )  # fmt: skip
    assert ours.decode_s(32, 2048) == pytest.approx(own.predict_decode_latency(32, 2048) / 1e3, rel=1e-6)
    assert ours.prefill_s(2048) == pytest.approx(own.predict_prefill_latency(1, 2048) / 1e3, rel=1e-6)


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (deployed("minimax-m2.5", "hgx-b200-8", "fp8", 4), "unlike other engines"),  # block-scaled kernels of vLLM
        (deployed(server="l4-4", ranks=4, precision="fp8"), "no tables of l4"),
        (deployed("deepseek-v3.2", "hgx-b200-8", "fp8", 8), "this shape"),
    ],
)
def test_bad_tables_of_the_package_are_refused(tool, deployment, said):
    with pytest.raises(ProviderError) as caught:
        bake(deployment, CATALOG, tool)
    assert said in str(caught.value)
