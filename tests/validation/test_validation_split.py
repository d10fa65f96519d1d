"""Disaggregated rows: read from their notes, replayed on two stages."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_validation_serving import CATALOG, row

from groundplan.validation import Skipped
from groundplan.validation._serving import predict_serving
from groundplan.validation._serving_rows import Case, read_case
from groundplan.validation._serving_split import split_of
from groundplan.validation._split_replay import Clients, Decoder, Prefiller

NOTES = (
    "a dump; disaggregated; prefill workers x tp x pp x dp=[{p}, {ptp}, 1, 1], moe_ep=1, batch=1; "
    "decode=[{d}, {dtp}, 1, 1], moe_ep=1, batch=16; mean or median not stated"
)


def split(p=1, ptp=1, d=1, dtp=1, **more):
    return row(notes=NOTES.format(p=p, ptp=ptp, d=d, dtp=dtp), n_accelerators=p * ptp + d * dtp, tp="", **more)


def test_workers_are_read_from_the_notes():
    found = split_of(split(p=2, ptp=4, d=3, dtp=8))
    assert (found.prefill.count, found.prefill.ranks.tensor) == (2, 4)
    assert (found.decode.count, found.decode.ranks.tensor, found.decode.batch) == (3, 8, 16)
    assert split_of(row()) is None


def test_without_counts_of_workers_a_row_is_skipped():
    found = read_case(row(notes="disaggregated; worker counts incomplete"), CATALOG)
    assert isinstance(found, Skipped)
    assert found.reason.startswith("missing input: workers")


@pytest.mark.parametrize("figures", [{"p": 0}, {"d": 999_999_999}])
def test_counts_that_cannot_be_are_not_believed(figures):
    assert isinstance(read_case(split(**figures), CATALOG), Skipped)


def test_the_load_is_that_of_the_decode_batch_where_no_other_is_stated():
    found = read_case(split(d=3, concurrency_or_batch=""), CATALOG)
    assert isinstance(found, Case)
    assert (found.protocol, found.concurrency) == ("split", 48.0)


def test_more_workers_make_tokens_and_first_tokens_come_sooner():
    few, many = predict_serving([split(), split(d=4)], CATALOG)
    assert many.value < few.value
    few, many = predict_serving([split(metric="ttft_ms", p=p, d=4, concurrency_or_batch=64) for p in (1, 4)], CATALOG)
    assert many.value < few.value


def test_a_worker_that_does_not_fit_is_no_layout():
    big = {"model": "meta-llama/Llama-3.1-70B", "precision": "bf16"}
    found = read_case(split(d=1, dtp=1, ptp=8, **big), CATALOG)
    assert isinstance(found, Skipped)


def clients(prefill_s, token_s, prefillers, decoders, outputs):
    first = [Prefiller(np.array([0.0, *prefill_s])) for _ in range(prefillers)]
    second = [Decoder(np.array([0.0, *token_s])) for _ in range(decoders)]
    return Clients(first, second, np.ones(len(outputs)), np.array(outputs, dtype=float))


def test_one_client_waits_for_nobody():
    run = clients([2.0], [0.5], 1, 1, [10, 20]).run(1)
    assert run.ttft_s == pytest.approx([2.0, 2.0])
    assert run.tpot_s == pytest.approx([0.5, 0.5])


def test_two_clients_share_a_decoder_by_hand():
    """Prompts end at 1 and 2 s. Alone at 0.1 s a token the first gains 10, then both at 0.2 s: it ends 20 later."""
    run = clients([1.0], [0.1, 0.2], 1, 1, [30, 40]).run(2)
    assert run.ttft_s == pytest.approx([1.0, 2.0])
    ended = 2.0 + 20 * 0.2
    assert run.tpot_s[0] == pytest.approx((ended - 1.0) / 30)
    assert run.tpot_s[1] == pytest.approx((ended + 20 * 0.1 - 2.0) / 40)


def test_who_finds_no_place_waits_with_its_cache():
    run = clients([1.0], [0.1], 1, 1, [10, 10]).run(2)
    assert run.ttft_s == pytest.approx([1.0, 2.0])
    assert run.tpot_s[1] == pytest.approx((3.0 - 2.0) / 10)  # the first one left at 2.0
    run = clients([1.0], [1.0], 1, 1, [10, 10]).run(2)
    assert run.tpot_s[1] == pytest.approx((11.0 + 10.0 - 2.0) / 10)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 30), users=st.integers(1, 8), first=st.integers(1, 3), second=st.integers(1, 3),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_everybody_is_answered_no_sooner_than_alone(count, users, first, second, seed):
    outputs = np.random.default_rng(seed).integers(1, 50, count)
    run = clients([1.0, 1.5], [0.1, 0.12, 0.15], first, second, outputs).run(users)
    assert (run.ttft_s >= 1.0 - 1e-9).all()
    assert (run.tpot_s >= 0.1 - 1e-9).all()
