"""What rows of known publishers mean without saying so: how engines were set up, how loads were made, usual lengths."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "serving_sources.toml"
USUAL = "usual"


@dataclass(frozen=True, slots=True)
class ServingSources:
    """The reviewed file; lengths are mean tokens of prompt and output."""

    tuned: tuple[str, ...]
    default: tuple[str, ...]
    waves: Mapping[str, float]
    task_lengths: Mapping[str, tuple[float, float]]
    mlperf_lengths: Mapping[str, tuple[float, float]]
    acceptance_share: float
    """Chance that a proposal of a draft is accepted."""
    noisy_hosts: frozenset[tuple[str, str]]
    """Publisher and accelerator."""

    def untuned(self, publisher: str) -> float:
        """0 = tuned, 1 = an engine's defaults, 0.5 = nobody says."""
        if any(name in publisher for name in self.tuned):
            return 0.0
        return 1.0 if any(name in publisher for name in self.default) else 0.5

    def waves_of(self, publisher: str) -> float:
        """Requests of a closed loop over its concurrency."""
        return self.waves.get(publisher, self.waves[USUAL])


@cache
def serving_sources() -> ServingSources:
    """The file of this release."""
    raw = tomllib.loads(FILE.read_text("utf-8"))
    return ServingSources(
        tuned=tuple(raw["tuning"]["tuned"]),
        default=tuple(raw["tuning"]["default"]),
        waves=raw["waves"],
        task_lengths={name: (prompt, output) for name, (prompt, output) in raw["task_lengths"].items()},
        mlperf_lengths={name: (prompt, output) for name, (prompt, output) in raw["mlperf_lengths"].items()},
        acceptance_share=raw["drafts"]["acceptance_share"],
        noisy_hosts=frozenset((one["publisher"], one["accelerator"]) for one in raw["noisy_hosts"]),
    )
