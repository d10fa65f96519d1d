"""Power: mean and peak of a replica inside what its node can draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perf_cases import CATALOG, control, finetune, llm, vision

from groundplan.perf import operating_points
from groundplan.perf._power import accelerator_kw, replica_draw
from groundplan.perf._types import Refused

SERVERS = ("hgx-a100-8", "hgx-h100-8", "hgx-b200-8", "l40s-8", "l4-4", "jetson-agx-thor")


@given(
    server=st.sampled_from(SERVERS),
    reads=st.floats(0, 1),
    flops=st.floats(0, 1),
    more=st.floats(0, 1),
)
def test_draw_rises_with_use_and_stays_below_the_nodes_maximum(server, reads, flops, more):
    row = CATALOG.server(server)
    draw = replica_draw(row, CATALOG, 1, reads, flops)
    share = (row.max_power_kw - row.idle_power_kw) / row.accelerators_count
    assert 0 < draw.mean_kw <= draw.peak_kw <= share + 1e-12
    assert replica_draw(row, CATALOG, 1, min(1.0, reads + more), flops).mean_kw >= draw.mean_kw
    assert replica_draw(row, CATALOG, 1, reads, min(1.0, flops + more)).mean_kw >= draw.mean_kw


@given(server=st.sampled_from(SERVERS), reads=st.floats(0, 1), flops=st.floats(0, 1))
def test_an_accelerator_never_passes_its_rating(server, reads, flops):
    row = CATALOG.accelerator(CATALOG.server(server).accelerator)
    assert row.idle_w / 1e3 + accelerator_kw(row, reads, flops) <= row.tdp_w / 1e3 + 1e-12


def test_a_training_node_draws_what_was_measured():
    # HGX H100 under training: 8.4 kW at most, of 10.2 rated (arXiv 2412.08602); mean about 76 % of rated (2506.14551)
    row = CATALOG.server("hgx-h100-8")
    found = operating_points(finetune("llama-3.1-70b", "sft"), row, CATALOG).points[0]
    assert row.idle_power_kw + found.dynamic_kw / found.nodes_per_replica == pytest.approx(8.4, rel=0.12)


def test_points_of_all_kinds_state_mean_below_peak():
    for workload in (llm("llama-3.1-8b"), control(), vision(), finetune("llama-3.1-8b")):
        for server in ("hgx-h100-8", "l40s-8"):
            for point in operating_points(workload, CATALOG.server(server), CATALOG).points:
                assert 0 < point.dynamic_kw <= point.peak_kw
                assert point.row().dynamic_kw == point.dynamic_kw


def test_a_blank_power_figure_is_named_and_never_zero():
    row = CATALOG.server("hgx-h100-8")
    for blank in ("idle_power_kw", "max_power_kw"):
        with pytest.raises(Refused, match=f"has no {blank}"):
            replica_draw(row.model_copy(update={blank: None}), CATALOG, 1, 0.5, 0.5)
    unrated = row.model_copy(update={"idle_power_kw": None})
    found = operating_points(llm("llama-3.1-8b"), unrated, CATALOG)
    assert found.points == ()
    assert {r.rule for r in found.refusals} == {"missing-figure"}


def test_a_blank_host_figure_is_what_the_maximum_leaves():
    row = CATALOG.server("hgx-h100-8")
    derived = replica_draw(row.model_copy(update={"host_power_kw": None}), CATALOG, 1, 0.5, 0.2)
    stated = replica_draw(row.model_copy(update={"host_power_kw": 10.2 - 8 * 0.7}), CATALOG, 1, 0.5, 0.2)
    assert derived.mean_kw == pytest.approx(stated.mean_kw)
