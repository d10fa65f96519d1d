"""Disaggregated serving: proportion of engines, transfer of the cache, what it is good for."""

from dataclasses import replace

import pytest
from perf_cases import CATALOG, llm

from groundplan.perf import StaffingCache, operating_points, slowed, staffing
from groundplan.perf._disaggregated import Asked, Unit, best_unit, decode_stage, prefill_stage, transfer_ps_per_token
from groundplan.perf._llm import Layout
from groundplan.perf._types import EngineService, SplitService
from groundplan.spec import Lengths, LlmServiceLevel


def long_prompts(model="qwen3-8b", prompt=4000, output=300, tpot_ms=30.0, ttft_ms=2500.0, **more):
    asked = {
        "prompt": Lengths(mean_tokens=prompt, cv=1.0),
        "output": Lengths(mean_tokens=output, cv=1.0),
        "service_level": LlmServiceLevel(ttft_ms=ttft_ms, tpot_ms=tpot_ms),
    }
    return llm(model).model_copy(update=asked | more)


def points(server, **asked):
    return operating_points(long_prompts(**asked), CATALOG.server(server), CATALOG)


def stages(model="llama-3.1-8b", server="hgx-h100-8", ranks=(1, 1)):
    asked = Asked(long_prompts(model), CATALOG.server(server), CATALOG, CATALOG.model(model), "bf16")
    first, second = (Layout(count, 1, 1, count) for count in ranks)
    return asked, prefill_stage(asked, first), decode_stage(asked, second)


def test_only_what_is_asked_for_is_offered():
    mixed, apart, either = (points("l40s-8", prefill=way).points for way in ("mixed", "apart", "either"))
    assert {type(one.service) for one in mixed} == {EngineService}
    assert {type(one.service) for one in apart} == {SplitService}
    assert apart[0].id in [one.id for one in either]


def test_it_pays_where_long_prompts_meet_a_tight_time_per_token():
    (best, *_), (plain, *_) = (points("l40s-8", prefill=way).points for way in ("apart", "mixed"))
    assert best.capacity_per_slot > plain.capacity_per_slot
    loose = {"tpot_ms": 200.0, "ttft_ms": 20_000.0, "prompt": 50, "output": 1000}
    (best, *_), (plain, *_) = (points("l40s-8", prefill=way, **loose).points for way in ("apart", "mixed"))
    assert plain.capacity_per_slot > best.capacity_per_slot


def test_the_proportion_balances_the_stages_by_enumeration():
    unit = best_unit(*stages())
    prefill, decode = unit.prefill, unit.decode
    rates = [
        min(p * prefill.requests_per_s, d * decode.requests_per_s) / (p + d)
        for p in range(1, 5) for d in range(1, 5) if p + d <= 8
    ]  # fmt: skip
    assert unit.requests_per_s / unit.slots == pytest.approx(max(rates))


def test_engines_that_fill_a_node_make_units_of_whole_nodes():
    asked, prefill, decode = stages(ranks=(8, 8))
    unit = best_unit(asked, prefill, decode)
    assert unit.slots % 8 == 0
    assert unit.slots > 8
    alone = replace(asked, server=asked.server.model_copy(update={"nic_gb_per_s": None}))
    assert best_unit(alone, prefill, decode) is None
    near, far = (transfer_ps_per_token(asked, prefill, decode, far=apart) for apart in (False, True))
    assert far > near > 0


def test_sending_a_cache_takes_its_bytes_over_the_link():
    asked, prefill, decode = stages()
    share = decode.engine.constants.link_share
    bytes_per_token = 32 * 2 * 8 * 128 * 2  # layers, keys and values, kv heads, width, 16 bit
    sent = transfer_ps_per_token(asked, prefill, decode, far=False)
    assert sent == pytest.approx(bytes_per_token / (450e9 * share) * 1e12, rel=1e-3)


def test_the_kernel_agrees_with_the_capacity_in_closed_form():
    found = points("l40s-8", prefill="apart").points[0]
    curve = staffing(long_prompts(prefill="apart"), found, 0.0, 2.0, StaffingCache())
    assert 0.5 < curve.max_load[0] < 1.0
    assert curve.max_load[1] > 2 * curve.max_load[0] * 0.98  # larger pools carry more of each unit


def test_a_slower_unit_is_slower_in_each_part():
    found = points("l40s-8", prefill="apart").points[0]
    slow = slowed(found, 1.0)
    assert slow.capacity_per_s < found.capacity_per_s
    assert slow.service.transfer_ps_per_token > found.service.transfer_ps_per_token
    for stage in ("prefill", "decode"):
        mine, theirs = (getattr(one.service, stage).step.step_ps(100, 0, 1, 100) for one in (slow, found))
        assert mine > theirs


def test_caches_pass_through_the_links_that_there_are():
    """PCIe takes 0.1 s for a long prompt's cache: no unit carries more than its links."""
    found = points("l4-4", prefill="apart", output=20, ttft_ms=30_000.0, tpot_ms=100.0).points
    for point in found:
        engines = min(point.service.prefill_engines, point.service.decode_engines)
        assert point.capacity_per_s <= engines / (4000 * point.service.transfer_ps_per_token / 1e12) * (1 + 1e-9)
    _, prefill, decode = stages()
    unit = Unit(prefill, decode, 2, 3, transfer_s=10.0)
    assert unit.requests_per_s == pytest.approx(0.2)


def test_llama_cpp_sends_no_caches():
    refused = points("l40s-8", prefill="apart", engine="local").refusals
    assert [one.rule for one in refused] == ["kind"]


def test_single_tokens_leave_nothing_to_decode():
    refused = points("l40s-8", prefill="apart", output=1).refusals
    assert [one.rule for one in refused] == ["kind"]


def test_a_prompt_that_comes_too_late_is_refused_with_its_time():
    found = points("l40s-8", prefill="apart", ttft_ms=50.0)
    assert not found.points
    assert any(one.rule == "latency" and "TTFT" in one.why for one in found.refusals)
