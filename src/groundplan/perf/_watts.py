"""Watts of one busy accelerator from what it does: reading, multiplying, prefilling; few fitted constants a part."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np

from groundplan.catalog import Accelerator
from groundplan.perf._shape import Floats
from groundplan.perf._types import Refused

TokenFamily = Literal["text", "media"]
"""Text alone, or prompts with images and video, whose preparation on the host leaves the accelerator waiting."""
ANY_PART = "*"


@dataclass(frozen=True, slots=True)
class TokenUse:
    """What an accelerator does while its engine serves tokens; figures, or arrays of one shape.

    read_use: weight and KV bytes read per second of decoding, over data-sheet bandwidth; flop_use: model FLOP per
    second of decoding, over the dense bf16 peak whatever the format (formats change the speed, hardly the watts);
    prefill_share: share of the time that steps spend on prompts; ranks: accelerators of the replica.
    """

    read_use: Floats | float
    flop_use: Floats | float
    prefill_share: Floats | float = 0.0
    ranks: Floats | float = 1.0


@dataclass(frozen=True, slots=True)
class ImageUse:
    """What an accelerator does while it denoises images or video.

    forward_s: least seconds of one pass of the denoiser, FLOP / (ranks x dense bf16 peak); flop_use: model FLOP per
    second over that peak.
    """

    forward_s: Floats | float
    flop_use: Floats | float
    ranks: Floats | float = 1.0


@dataclass(frozen=True, slots=True)
class TokenDraw:
    """Draw over idle as shares of TDP - idle."""

    active: float
    """Any running kernel."""
    read: float
    """All of the memory bandwidth."""
    flop: float
    """All of the dense bf16 peak; grows with the square root of use."""
    rank: float
    """1 + what each doubling of the ranks of a replica adds: below 1 where ranks wait for each other."""
    prefill: float
    """While prompts are processed."""

    def share(self, use: TokenUse) -> Floats:
        """Share of TDP - idle, at most 1; never falls with read_use or flop_use."""
        decoding = self.active + self.read * np.asarray(use.read_use) + self.flop * np.sqrt(use.flop_use)
        decoding = np.clip(decoding + (self.rank - 1.0) * np.log2(use.ranks), 0.0, 1.0)
        prefill = np.asarray(use.prefill_share)
        return (1.0 - prefill) * decoding + prefill * self.prefill


@dataclass(frozen=True, slots=True)
class ImageDraw:
    """Draw over idle as shares of TDP - idle; small passes leave the accelerator waiting for the host."""

    active: float
    busy: float
    """While a pass is under way, which is forward_s / (forward_s + gap_s) of the time."""
    flop: float
    rank: float
    gap_s: float

    def share(self, use: ImageUse) -> Floats:
        """Share of TDP - idle, at most 1."""
        forward = np.asarray(use.forward_s)
        drawn = self.active + self.busy * forward / (forward + self.gap_s) + self.flop * np.sqrt(use.flop_use)
        return np.clip(drawn + (self.rank - 1.0) * np.log2(use.ranks), 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Watts:
    """A draw and the factors around it that hold the measured value in nine unseen cases of ten."""

    watts: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerFile:
    """The reviewed constants: by family and accelerator id; `*` is for parts that nobody measured."""

    version: str
    draws: Mapping[tuple[str, str], TokenDraw | ImageDraw]
    factors: Mapping[tuple[str, str], float]
    kin: Mapping[str, str]
    """Parts of one family of dies: id to the part that was measured."""

    def draw(self, family: str, part: str) -> TokenDraw | ImageDraw:
        """Own constants of a part, else those of its kin, else those of all parts together."""
        near = self.draws.get((family, self.kin.get(part, part)))
        return near or self.draws[family, ANY_PART]

    def factor(self, family: str, part: str) -> float:
        """The measured value lies within watts / f .. watts x f; kin have that of parts never measured."""
        return self.factors.get((family, part)) or self.factors[family, ANY_PART]


@cache
def power_file() -> PowerFile:
    """The file that ships with the package."""
    text = (files("groundplan.perf") / "data" / "power.toml").read_text("utf-8")
    return parse_power(tomllib.loads(text))


def parse_power(data: Mapping[str, object]) -> PowerFile:
    """Constants of a parsed file; each row of `fits` names family, accelerator, factor and its constants."""
    rows = data["fits"]
    if not isinstance(rows, list):
        raise TypeError("fits must be an array of tables")
    keys = [(str(row["family"]), str(row["accelerator"])) for row in rows]
    draws = {key: _draw(key[0], row) for key, row in zip(keys, rows, strict=True)}
    factors = {key: float(row["factor"]) for key, row in zip(keys, rows, strict=True)}
    kin = data.get("kin", {})
    if not isinstance(kin, dict):
        raise TypeError("kin must be a table of ids")
    return PowerFile(str(data["version"]), draws, factors, {str(part): str(near) for part, near in kin.items()})


def _draw(family: str, row: Mapping[str, float]) -> TokenDraw | ImageDraw:
    kind = ImageDraw if family == "image" else TokenDraw
    return kind(**{field.name: float(row[field.name]) for field in fields(kind)})


def token_watts(row: Accelerator, use: TokenUse, family: TokenFamily = "text") -> Watts:
    """Mean draw of one accelerator that serves tokens. Refuses a part without tdp_w or idle_w."""
    draw = power_file().draw(family, row.id)
    if not isinstance(draw, TokenDraw):
        raise TypeError(f"{family} is no family of token engines")
    return _watts(row, family, float(draw.share(use)))


def image_watts(row: Accelerator, use: ImageUse) -> Watts:
    """Mean draw of one accelerator that denoises images or video. Refuses a part without tdp_w or idle_w."""
    draw = power_file().draw("image", row.id)
    if not isinstance(draw, ImageDraw):
        raise TypeError("the family image needs constants of its own kind")
    return _watts(row, "image", float(draw.share(use)))


def _watts(row: Accelerator, family: str, share: float) -> Watts:
    idle, span = idle_and_span_w(row)
    factor, watts = power_file().factor(family, row.id), idle + span * share
    return Watts(watts, watts / factor, min(watts * factor, idle + span))


def idle_and_span_w(row: Accelerator) -> tuple[float, float]:
    """Idle draw, and TDP above it [W]; a blank figure is refused by name."""
    for name, value in (("tdp_w", row.tdp_w), ("idle_w", row.idle_w)):
        if value is None:
            raise Refused("missing-figure", f"{row.id} has no {name}: add the figure")
    return float(row.idle_w or 0.0), float(row.tdp_w or 0.0) - float(row.idle_w or 0.0)
