"""A real model server on this CPU, measured, anchored, predicted: what a user does with a benchmark of their own.

Live tests need `make live`, which installs llama.cpp's server and a small model; they are skipped without them. What
AIPerf measured of the same server is in the repository, so that its way to a prediction is tested everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any

import pytest
import real_server
from real_server import MODEL, Load

from groundplan.catalog import Catalog
from groundplan.measure import Run, anchor, anchors_text, read_results
from groundplan.perf.serving import Deployment, closed_loop
from groundplan.spec import MeasuredSpeed, read_measured

ANCHORS = (Load(1, 64, 32), Load(4, 64, 32))
OTHERS = (Load(2, 64, 32), Load(2, 128, 64))
FILES = ("0.json", "1.json")
FACTOR = 1.53
"""Nine in ten rows lie within this factor of the model anchored with one row (docs/guides/my-own-benchmark.md)."""
OWN = {
    "sources": '[sources.own-core]\nwho = "measured here"\nkind = "measured"\n',
    "accelerators": """
[[accelerators]]
id = "own-core"
name = "One core of this machine"
vendor = "own"
vendor_country = "US"
market = "edge"
memory_gb = 4
mem_bw_gb_per_s = {read}
dense_fp32_tflops = {products}
dense_bf16_tflops = {products}
source = "own-core"
""",
    "servers": """
[[servers]]
id = "own-host"
name = "This machine, one core of it"
accelerator = "own-core"
accelerators_count = 1
source = "own-core"
""",
}


@dataclass(frozen=True)
class Measured:
    """Results of this machine, and the deployment that they speak of."""

    deployment: Deployment
    catalog: Catalog
    runs: dict[Load, Run]
    core_share: float

    def predicted_ms(self, load: Load, speed: MeasuredSpeed | None) -> float:
        """Time per output token, shipped or anchored."""
        run = self.runs[load]
        loop = closed_loop(self.deployment, self.catalog, run.prompt_tokens, run.output_tokens, load.concurrency)
        return 1e3 * loop.tpot.at(*_factors(speed))

    def predicted_rate(self, load: Load, speed: MeasuredSpeed | None) -> float:
        """Output tokens per second of the server."""
        run = self.runs[load]
        loop = closed_loop(self.deployment, self.catalog, run.prompt_tokens, run.output_tokens, load.concurrency)
        return 1.0 / loop.token.at(*_factors(speed))


def _factors(speed: MeasuredSpeed | None) -> tuple[float, float]:
    return (speed.level_factor, speed.fixed_factor) if speed else (1.0, 1.0)


def own_catalog(read: float, products: float) -> Catalog:
    """The shipped catalogue and this core: GB/s that it reads, TFLOP/s of its products."""
    rows = {name: text.format(read=read, products=products) for name, text in OWN.items()}
    return Catalog({name: text + rows.get(name, "") for name, text in Catalog.default().texts.items()})


def own_deployment(catalog: Catalog) -> Deployment:
    return Deployment(catalog.model(MODEL), catalog.server("own-host"), "int4", 1, "local")


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Measured:
    if not real_server.installed():
        pytest.skip("needs `make live`")
    folder, catalog = tmp_path_factory.mktemp("results"), own_catalog(*real_server.core_figures())
    with real_server.serving() as server:
        results = {load: server.measure(load) for load in (*ANCHORS, *OTHERS)}
    runs = {load: _run(folder / f"{index}.json", result) for index, (load, result) in enumerate(results.items())}
    return Measured(own_deployment(catalog), catalog, runs, min(result["core_share"] for result in results.values()))


def _run(file: Path, result: dict[str, Any]) -> Run:
    file.write_text(json.dumps(result))
    (run,) = read_results(file)
    return run


@pytest.fixture(scope="module")
def speed(measured) -> MeasuredSpeed:
    return anchor(measured.deployment, measured.catalog, [measured.runs[load] for load in ANCHORS]).speed


def test_an_anchor_of_a_light_and_a_heavy_load_predicts_other_loads(measured, speed, capsys):
    with capsys.disabled():
        print(*_lines(measured, speed), sep="\n")
    for load in OTHERS:
        ratio = measured.predicted_ms(load, speed) / measured.runs[load].tpot_ms
        assert 1.0 / FACTOR < ratio < FACTOR, load


def test_the_anchor_leaves_less_error_than_the_shipped_model(measured, speed):
    def error(speed: MeasuredSpeed | None) -> float:
        return sum(abs(log(measured.predicted_ms(load, speed) / measured.runs[load].tpot_ms)) for load in OTHERS)

    assert error(speed) < error(None)


def test_the_anchors_file_holds_the_same_correction(measured, speed, tmp_path):
    (tmp_path / "anchors.toml").write_text(anchors_text([speed]))
    catalog = measured.catalog.with_measured(read_measured(tmp_path / "anchors.toml"))
    assert catalog.measured == (speed,)
    assert (speed.model, speed.engine, speed.precision, speed.files) == ("smollm2-135m", "local", "int4", FILES)


def test_what_aiperf_measured_predicts_its_other_loads(root):
    folder, catalog = root / "tests" / "measure" / "results", own_catalog(read=15.8, products=0.070)
    names = {Load(1, 128, 64): "1", Load(4, 128, 64): "4", Load(2, 128, 64): "2", Load(2, 256, 128): "2-long"}
    runs = {load: read_results(folder / f"aiperf_llama_cpp_{name}.json")[0] for load, name in names.items()}
    mine = Measured(own_deployment(catalog), catalog, runs, 1.0)
    light, heavy, *others = runs
    found = anchor(mine.deployment, catalog, [runs[light], runs[heavy]])
    assert found.usual_factor == 2.15
    shipped, anchored = (
        [mine.predicted_ms(load, speed) / runs[load].tpot_ms - 1.0 for load in others] for speed in (None, found.speed)
    )
    assert max(map(abs, anchored)) < 0.15 < min(map(abs, shipped))


def test_a_local_runtime_holds_four_requests_unless_tuned():
    catalog = own_catalog(read=15.8, products=0.070)
    default = own_deployment(catalog)
    loops = [closed_loop(one, catalog, 128, 64, 9).batch for one in (default, replace(default, tuning="tuned"))]
    assert loops == [4, 9]


def _lines(measured: Measured, speed: MeasuredSpeed) -> Iterator[str]:
    core = measured.catalog.accelerator("own-core")
    yield f"\none core: {core.mem_bw_gb_per_s:.1f} GB/s, {1e3 * (core.dense_fp32_tflops or 0):.0f} GFLOP/s fp32"
    yield f"the server had {measured.core_share:.0%} of one at least; times are those of a whole core"
    yield f"level x{speed.level_factor:.2f}, fixed x{speed.fixed_factor:.2f}, scatter x/{speed.spread_factor:.2f}"
    for load, run in measured.runs.items():
        how = "anchor" if load in ANCHORS else "predicted"
        yield f"{load.concurrency} at once, {load.prompt_tokens}/{load.output_tokens} tokens ({how})"
        off = (measured.predicted_ms(load, one) / run.tpot_ms - 1.0 for one in (None, speed))
        yield f"  {run.tpot_ms:5.1f} ms a token: shipped {next(off):+.0%}, anchored {next(off):+.0%}"
        off = (measured.predicted_rate(load, one) / run.output_tokens_per_s - 1.0 for one in (None, speed))
        yield f"  {run.output_tokens_per_s:5.1f} tokens/s:  shipped {next(off):+.0%}, anchored {next(off):+.0%}"
