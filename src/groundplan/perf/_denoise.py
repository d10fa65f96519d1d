"""Work of image and video generators: FLOP of a denoiser pass, by checkpoint."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Denoiser:
    """A denoiser at one size of picture or clip."""

    name: str
    params_b: float
    tokens: int
    steps: int
    """Where a row states none."""
    passes: int
    """Forward passes a step: 2 with guidance."""
    width: int
    """Width of self-attention; 0 = linear attention, counted with the parameters."""
    layers: int

    def step_flop(self, batch: float) -> float:
        """FLOP of one denoising step of a batch, guidance included."""
        dense = 2.0 * self.params_b * 1e9 * self.tokens
        attention = 4.0 * self.tokens**2 * self.width * self.layers
        return batch * self.passes * (dense + attention)


@cache
def denoisers() -> Mapping[str, Denoiser]:
    """By checkpoint name, lower case."""
    text = (files("groundplan.perf") / "data" / "diffusion.toml").read_text("utf-8")
    rows = [Denoiser(**row) for row in tomllib.loads(text)["denoisers"]]
    return {row.name.casefold(): row for row in rows}
