"""Speculative decoding: tokens that a step keeps, what the draft costs, what it holds in memory."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, engine, llm

from groundplan.perf import operating_points
from groundplan.perf._llm import memory
from groundplan.perf._speculation import Drafts, advance_s, eagle_arch, mtp_arch
from groundplan.perf._steps import Work, step_s
from groundplan.spec import Speculation


def drafting(model, draft, tokens=3, share=0.7):
    return llm(model).model_copy(
        update={"speculation": Speculation(draft=draft, draft_tokens=tokens, acceptance_share=share)}
    )


@pytest.mark.parametrize(("tokens", "share"), [(1, 0.5), (2, 0.8), (4, 0.9)])
def test_tokens_kept_are_the_mean_over_all_outcomes(tokens, share):
    mean = 0.0
    for accepted in product((True, False), repeat=tokens):
        chance = np.prod([share if one else 1.0 - share for one in accepted])
        first_wrong = accepted.index(False) if False in accepted else tokens
        mean += chance * (first_wrong + 1)
    assert Drafts(tokens, share).kept == pytest.approx(mean)


@given(tokens=st.integers(1, 16), share=st.floats(0.01, 0.99))
def test_tokens_kept_lie_between_one_and_all(tokens, share):
    assert 1.0 < Drafts(tokens, share).kept <= tokens + 1.0


def test_a_free_draft_that_is_never_right_costs_what_its_tokens_cost():
    found = engine(llm("llama-3.1-8b"), "hgx-h100-8", "bf16", 1)
    batch, context = np.array([64.0]), np.array([64_000.0])
    checked = step_s(found.terms, found.constants, Work(batch * 4.0, batch, context, queries=4.0))
    hopeless = advance_s(found.terms, found.constants, batch, context, Drafts(3, 1e-9))
    assert hopeless == pytest.approx(checked)
    assert hopeless > advance_s(found.terms, found.constants, batch, context, None)


def test_a_draft_pays_at_small_batches_and_not_where_arithmetic_binds():
    plain = engine(llm("llama-3.1-8b"), "l40s-8", "bf16", 1)
    free = Drafts(4, 0.5)
    alone, full = np.array([1.0]), np.array([2048.0])
    t, c = plain.terms, plain.constants
    assert advance_s(t, c, alone, alone * 100, free) < advance_s(t, c, alone, alone * 100, None)
    assert advance_s(t, c, full, full * 100, free) > advance_s(t, c, full, full * 100, None)


def test_a_draft_model_costs_its_own_passes():
    own = engine(drafting("llama-3.1-70b", "llama-3.1-8b"), "hgx-h100-8", "fp8", 8)
    free = engine(drafting("llama-3.1-70b", "ngram"), "hgx-h100-8", "fp8", 8)
    one = np.array([1.0])
    small = engine(llm("llama-3.1-8b"), "hgx-h100-8", "bf16", 8)
    pass_s = float(small.decode_base_s(one)[0])
    extra = float(own.decode_base_s(one)[0] - free.decode_base_s(one)[0]) * own.drafts.kept / 3.0
    host_s = float(own.constants.host_s[1] * own.constants.untuned_host_factor) * np.exp(-0.5 * own.constants.age_rate)
    assert 0.0 < extra < pass_s
    assert extra == pytest.approx(pass_s - host_s, rel=0.1)  # the host schedules the passes with the step


def test_an_own_layer_needs_one_in_the_checkpoint():
    refused = operating_points(drafting("llama-3.1-70b", "mtp"), CATALOG.server("hgx-h100-8"), CATALOG).refusals
    assert [r.rule for r in refused] == ["kind"]
    assert "no layer of its own for multi-token prediction" in refused[0].why


def test_a_draft_speaks_the_tokens_of_the_model():
    refused = operating_points(drafting("llama-3.1-70b", "qwen3-8b"), CATALOG.server("hgx-h100-8"), CATALOG).refusals
    assert [r.rule for r in refused] == ["kind"]
    assert "151,936" in refused[0].why


@pytest.mark.parametrize("draft", ["llama-3.3-70b", "EAGLE", "nobody-8b", "pi0"])
def test_a_draft_is_known_and_smaller_and_speaks(draft):
    refused = operating_points(drafting("llama-3.1-70b", draft), CATALOG.server("hgx-h100-8"), CATALOG).refusals
    assert [r.rule for r in refused] == ["kind"]
    assert draft.lower() in refused[0].why.lower()


def test_the_draft_stands_in_memory():
    own, drafts = llm("llama-3.1-70b"), [drafting("llama-3.1-70b", name) for name in ("eagle", "llama-3.1-8b")]
    plain, headed, modelled = (memory(engine(one, "hgx-h100-8", "fp8", 8), 256, 2048) for one in (own, *drafts))
    layer = eagle_arch(CATALOG.model("llama-3.1-70b").transformer())
    head = (layer.attention_params() + layer.ffn_params(layer.ffn)) / 8
    assert headed.weights - plain.weights == pytest.approx(head, rel=1e-6)
    assert modelled.weights - plain.weights == pytest.approx(8.03e9 * 2 / 8, rel=0.01)
    assert headed.kv_bytes_per_token == pytest.approx(plain.kv_bytes_per_token * 81 / 80)


def test_own_layer_is_one_layer_of_experts():
    layer = mtp_arch(CATALOG.model("deepseek-v3").transformer())
    assert (layer.layers, layer.moe_count, layer.experts) == (1, 1, 256)
    assert eagle_arch(CATALOG.model("deepseek-v3").transformer()).experts == 0


def test_tables_and_closed_form_agree():
    found = engine(drafting("llama-3.1-70b", "eagle"), "hgx-h100-8", "fp8", 8)
    step, context = found.step_time(64, 4096), round(found.shape.context_tokens)
    for batch in (1, 16, 64):
        many = np.array([float(batch)])
        whole = advance_s(found.terms, found.constants, many, many * context, found.drafts)
        assert step.step_ps(0, 0, batch, batch * context) == pytest.approx(float(whole[0]) * 1e12, rel=1e-3)
