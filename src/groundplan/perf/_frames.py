"""Time of image models: computing and moving one after the other, what a call costs, by engine and part."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from groundplan.catalog import Accelerator, ModelCard, VisionArch
from groundplan.perf._chip import Chip
from groundplan.perf._shape import BYTES, Floats
from groundplan.perf._stack import slow_cores

SHARED_FORMATS = {"fp8": "int8", "fp4": "int8", "int4": "bf16"}
"""Formats that take the share of the dense peak of another: none is measured on image models."""


@dataclass(frozen=True, slots=True)
class FrameConstants:
    """Efficiencies of one engine in one format; figures, or arrays of the shape of the work."""

    share: Floats | float
    """Of the dense peak."""
    call_s: Floats | float
    """One call at batch 1 on a server CPU: copies and launches."""
    elements: Floats | float
    """Activations of a frame = this x sqrt(FLOP x pixels): ResNet-50 has 11 million, 8.2 GFLOP, 224 x 224 pixels."""
    read_share: float
    """Of data-sheet bandwidth."""
    slow_factor: float
    """Call time on slow cores over that on a server CPU."""
    attention_factor: float
    """Share that attention models reach over that of convolutions."""
    grouped_factor: float
    """Share that grouped convolutions reach over that of others."""


@dataclass(frozen=True, slots=True)
class FrameWork:
    """One frame on one part at data-sheet rates; figures, or arrays of one shape."""

    compute_s: Floats | float
    """FLOP over the dense peak."""
    weights_s: Floats | float
    """Weights over bandwidth."""
    root_s: Floats | float
    """sqrt(FLOP x pixels) values written and read once, over bandwidth."""
    stated_s: Floats | float
    """The same for the activations that the card states; nan where it states none."""
    slow: Floats | bool
    attention: Floats | bool
    grouped: Floats | bool


def compute_format(row: Accelerator, precision: str) -> str:
    """Format in which a part multiplies frames of this precision; refuses what it has no unit for."""
    return Chip(row, 1).compute_format(precision)


def frame_work(card: ModelCard, arch: VisionArch, row: Accelerator, precision: str) -> FrameWork:
    """Work of a frame; refuses a part without a rate of the format or without bandwidth."""
    chip = Chip(row, 1)
    compute = chip.compute_format(precision)
    flop, pixels = arch.gflops_per_frame * 1e9, arch.input_width_pixels * arch.input_height_pixels
    width, read = BYTES[precision], chip.read_bytes_per_s
    return FrameWork(
        compute_s=flop / chip.flop_per_s(compute),
        weights_s=1e9 * (card.params_total_b or 0.0) * width / read,
        root_s=2.0 * math.sqrt(flop * pixels) * width / read,
        stated_s=math.nan
        if arch.activation_mb is None
        else 2.0 * arch.activation_mb * 1e6 * width / BYTES["bf16"] / read,
        slow=slow_cores(row),
        attention=arch.operators == "attention",
        grouped=arch.operators == "grouped",
    )


def frames_s(constants: FrameConstants, work: FrameWork, batch: Floats | float, effect: Floats | float = 1.0) -> Floats:
    """Seconds of a call of `batch` frames; `effect`: speed of a part over that of others."""
    call = constants.call_s * np.where(work.slow, constants.slow_factor, 1.0)
    return call + work_s(constants, work, batch) / effect


def stream_s(constants: FrameConstants, work: FrameWork, effect: Floats | float = 1.0) -> Floats:
    """Seconds a frame of a stream of single frames: copies and launches of one run while the part works on another."""
    call = constants.call_s * np.where(work.slow, constants.slow_factor, 1.0)
    return np.maximum(call, work_s(constants, work, 1.0) / effect)


def work_s(constants: FrameConstants, work: FrameWork, batch: Floats | float) -> Floats:
    """Computing, then moving weights and activations, of a batch."""
    moved = np.where(np.isnan(work.stated_s), np.asarray(work.root_s) * constants.elements, work.stated_s)
    moving = (np.asarray(work.weights_s) + batch * moved) / constants.read_share
    factor = np.where(work.attention, constants.attention_factor, np.where(work.grouped, constants.grouped_factor, 1.0))
    share = np.minimum(1.0, constants.share * factor)
    return batch * np.asarray(work.compute_s) / share + moving


@dataclass(frozen=True)
class FrameFile:
    """The reviewed constants: by engine, shared ones, effects by accelerator id, factors of unseen cases by way."""

    version: str
    engines: Mapping[str, Mapping[str, float]]
    shared: Mapping[str, float]
    effects: Mapping[str, float]
    factors: Mapping[str, float]

    def constants(self, engine: str, compute_format: str) -> FrameConstants:
        """Of an engine and a compute format."""
        row, shared = self.engines[engine], self.shared
        share = row[f"{SHARED_FORMATS.get(compute_format, compute_format)}_share"]
        names = ("read_share", "slow_factor", "attention_factor", "grouped_factor")
        return FrameConstants(share, row["call_s"], row["elements"], *(shared[name] for name in names))

    def effect(self, part: str) -> float:
        """1 for parts that nobody measured."""
        return self.effects.get(part, 1.0)

    @property
    def server_share(self) -> float:
        """Rate where every answer has a deadline, over the offline rate."""
        return self.shared["server_share"]


@cache
def frame_file() -> FrameFile:
    """The file that ships with the package."""
    data = tomllib.loads((files("groundplan.perf") / "data" / "vision.toml").read_text("utf-8"))
    return FrameFile(str(data["version"]), data["engines"], data["shared"], data["effects"], data["factors"])
