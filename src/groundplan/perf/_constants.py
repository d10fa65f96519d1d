"""The few fitted numbers of the serving model, from a reviewed file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from groundplan.perf._shape import Floats
from groundplan.perf._terms import FORMATS

EXPOSED_SHARE = 0.7
"""Share of the shorter of memory and compute time that an operator does not hide: near a plain sum."""
FIRST_GENERATION_END = 2024.4
ENGINE_CONSTANTS = ("host_s", "sequence_s", "layer_factor", "front_s")
ACTIVATION_PASSES = 16.0
"""Reads and writes of the hidden state per layer, half of them shared among tensor ranks."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Efficiencies as shares of data-sheet rates, fixed times in seconds; arrays are indexed by engine."""

    weight_read_share: float
    expert_read_share: float
    kv_read_share: float
    gemm_share: Floats
    """By compute format, in the order of FORMATS."""
    grouped_gemm_factor: float
    attention_share: float
    latent_attention_share: float
    alpha_scaleup_s: float
    alpha_pcie_s: float
    alpha_growth: float
    link_share: float
    slow_link_share: float
    power_exponent: float
    imbalance_factor: float
    layer_s: float
    moe_layer_s: float
    launch_factor: float
    state_layer_s: float
    sparse_layer_s: float
    age_rate: float
    pipeline_exponent: float
    untuned_layer_factor: float
    untuned_host_factor: float
    race_factor: float
    moe_prefill_factor: float
    drain: float
    stall_share: float
    host_s: Floats
    sequence_s: Floats
    layer_factor: Floats
    """Of an engine's fixed times of layers and start-up times of collectives."""
    front_s: Floats
    """A request outside the engine: HTTP, tokenizer, scheduling, the first token's way back."""
    captured: Floats
    """1 where an engine replays decode steps from captured kernels, 0 where it launches (or compiles) all alike."""
    exposed_share: float = EXPOSED_SHARE
    activation_passes: float = ACTIVATION_PASSES


@dataclass(frozen=True, slots=True)
class ServingFile:
    """The reviewed file: its version, and its numbers with priors and ranges."""

    version: str
    shared: Mapping[str, Mapping[str, Any]]
    engines: Mapping[str, Mapping[str, Mapping[str, float]]]
    """Engine -> constant -> its row."""
    captured: Mapping[str, bool]
    """Engine -> whether it replays decode steps from captured kernels."""
    releases: Mapping[str, dict[str, float]]
    """Engine -> how a version begins -> year of its release, with the fraction of it."""
    intervals: Mapping[str, float]
    """Class of figures -> factor that holds nine in ten rows of publishers never seen."""

    @property
    def engine_names(self) -> tuple[str, ...]:
        """Order of engine indices."""
        return tuple(self.engines)

    def interval(self, figure: str, engine: str, *, moe: bool) -> float:
        """The factor of `rate`, `tpot` or `ttft`; figures of local runtimes have one of their own."""
        return self.intervals["local" if engine == "local" else f"{figure} {'moe' if moe else 'dense'}"]

    def values(self) -> dict[str, float]:
        """Every number by dotted name."""
        found = {name: float(row["value"]) for name, row in self.shared.items()}
        for engine, rows in self.engines.items():
            found |= {f"{engine}.{name}": float(row["value"]) for name, row in rows.items()}
        return found

    def constants(self, values: Mapping[str, float] | None = None) -> Constants:
        """The numbers as arrays; `values` of `values()`'s names, else those of the file."""
        v = self.values() if values is None else values
        shares = {fmt: v.get(f"gemm_{fmt}_share", v["gemm_bf16_share"]) for fmt in FORMATS}
        plain: dict[str, Any] = {name: v[name] for name in self.shared if not name.startswith("gemm_")}
        by_engine: dict[str, Any] = {
            name: np.array([v[f"{e}.{name}"] for e in self.engines]) for name in ENGINE_CONSTANTS
        }
        captured = np.array([float(self.captured[e]) for e in self.engines])
        gemms = np.array([shares[fmt] for fmt in FORMATS])
        return Constants(gemm_share=gemms, captured=captured, **plain, **by_engine)


@cache
def serving_file() -> ServingFile:
    """The file of this release."""
    raw = tomllib.loads((files("groundplan.perf") / "data" / "serving.toml").read_text("utf-8"))
    engines = {name: {k: rows[k] for k in ENGINE_CONSTANTS} for name, rows in raw["engine"].items()}
    captured = {name: rows["captured"] for name, rows in raw["engine"].items()}
    releases = {name: rows["releases"] for name, rows in raw["engine"].items()}
    return ServingFile(raw["version"], raw["global"], engines, captured, releases, raw["interval"])


def generation(engine: str, year: float) -> str:
    """The profile of an engine's release: the first generation had neither in-flight batching nor captured graphs."""
    first = f"{engine}-2023"
    return first if year < FIRST_GENERATION_END and first in serving_file().engines else engine


def release_year(engine: str, version: str) -> float | None:
    """Year, with its fraction, in which a version of an engine came out: the longest beginning that is known."""
    text = version.strip().removeprefix("v")
    releases = serving_file().releases
    known = releases[engine] | releases.get(f"{engine}-2023", {})
    starts = [start for start in known if text.startswith(start)]
    return known[max(starts, key=len)] if starts else None
