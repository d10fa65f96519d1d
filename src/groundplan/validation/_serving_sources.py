"""What rows of known publishers mean without saying so: how engines were set up, how loads were made, usual lengths."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data" / "serving_sources.toml"
USUAL = "usual"


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long a publisher's set-up of an engine leaves a prompt in the queue; an empty field holds for all."""

    publisher: str
    engine: str
    steps: float
    """Decode steps, on average."""
    accelerators: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    from_concurrency: float = 0.0
    data_groups: bool = False
    """Only where attention runs in data groups."""

    def holds(self, publisher: str, engine: str, accelerator: str, model: str) -> bool:
        """Whether it speaks of this deployment, its load and layout aside."""
        if (self.publisher, self.engine) != (publisher, engine):
            return False
        return accelerator in (self.accelerators or (accelerator,)) and model in (self.models or (model,))


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
    queue_waits: tuple[QueueWait, ...]
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

    def wait_steps(
        self, publisher: str, engine: str, accelerator: str, model: str, concurrency: float, *, data_groups: bool
    ) -> float:
        """Decode steps for which a prompt waits before the engine takes it up: those of the first line that holds."""
        for one in self.queue_waits:
            loaded = concurrency >= one.from_concurrency and (data_groups or not one.data_groups)
            if loaded and one.holds(publisher, engine, accelerator, model):
                return one.steps
        return 0.0


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
        queue_waits=tuple(_queue_wait(one) for one in raw["queue_waits"]),
        noisy_hosts=frozenset((one["publisher"], one["accelerator"]) for one in raw["noisy_hosts"]),
    )


def _queue_wait(raw: dict[str, Any]) -> QueueWait:
    lists: dict[str, Any] = {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}
    return QueueWait(**raw | lists)
