"""Options of ``estimate``; a blank one takes the default of the kind of model that is asked about."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """Number formats that a quantised checkpoint may have."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"
    FP4 = "fp4"


class Serving(StrEnum):
    """Serving engines."""

    VLLM = "vllm"
    SGLANG = "sglang"
    TRTLLM = "trtllm"
    LOCAL = "local"


class Tuning(StrEnum):
    """Who set the engine up."""

    DEFAULT = "default"
    TUNED = "tuned"


class Prefill(StrEnum):
    """Where prompts are read."""

    MIXED = "mixed"
    APART = "apart"
    EITHER = "either"


class Tables(StrEnum):
    """Other tools whose tables of step times can correct the model."""

    AICONFIGURATOR = "aiconfigurator"


class Mode(StrEnum):
    """What a robot does while it waits for a chunk of actions."""

    SYNC = "sync"
    ASYNC = "async"
    RTC = "rtc"


class Method(StrEnum):
    """Ways to fine-tune."""

    LORA = "lora"
    SFT = "sft"


class Validated(StrEnum):
    """Kinds of models that are scored against measured rows."""

    SERVING = "serving"
    TRAINING = "training"
    POWER = "power"
    CONTROL = "control"
    VISION = "vision"


class Held(StrEnum):
    """What ``groundplan calibrate`` leaves out, one after another."""

    PUBLISHER = "leave-one-publisher-out"
    ACCELERATOR = "leave-one-accelerator-out"


Number = float | None
Whole = int | None
Percentile = Annotated[Number, typer.Option(help="Share that must meet the level.", min=0.5, max=0.999)]
Network = Annotated[Number, typer.Option(help="Round trip in ms that the level includes.", min=0)]
Precisions = Annotated[list[Format] | None, typer.Option(help="Allowed beside the checkpoint's own format.")]
Engine = Annotated[Serving | None, typer.Option(help="Language: serving engine (vllm).")]
SetUp = Annotated[Tuning | None, typer.Option(help="Language: who set the engine up (default).")]
PrefillOption = Annotated[Prefill | None, typer.Option("--prefill", help="Language: engines that prefill (mixed).")]
Draft = Annotated[
    str | None, typer.Option(help="Language: speculative decoding by mtp, eagle, ngram or a smaller model.")
]
DraftTokens = Annotated[int | None, typer.Option(help="Tokens that the draft proposes a step (3).", min=1, max=16)]
Acceptance = Annotated[
    Number, typer.Option(help="Chance that a proposal is accepted (0.7, assumed).", min=0.01, max=0.99)
]
Prompt = Annotated[Number, typer.Option(help="Language: mean prompt tokens (1000).", min=1)]
Output = Annotated[Number, typer.Option(help="Language: mean output tokens (250).", min=1)]
Ttft = Annotated[Number, typer.Option(help="Language: time to first token to be met (2000).", min=1)]
Tpot = Annotated[Number, typer.Option(help="Language: time per output token to be met (60).", min=0.1)]
Latency = Annotated[Number, typer.Option(help="Robots, vision, streams: latency to be met.", min=1)]
ControlHz = Annotated[Number, typer.Option(help="Robots: control rate (20).", min=0.1, max=200)]
Chunk = Annotated[Whole, typer.Option(help="Robots: actions a call (the model's).", min=1)]
Replan = Annotated[Whole, typer.Option(help="Robots: steps between calls (half a chunk).", min=1)]
ModeOption = Annotated[Mode | None, typer.Option(help="Robots: what happens during a call (async).")]
Cameras = Annotated[Whole, typer.Option(help="Robots: cameras of one robot (2).", min=1)]
Denoise = Annotated[Whole, typer.Option(help="Robots: denoising steps (the model's).", min=1)]
Fps = Annotated[Number, typer.Option(help="Vision: frames per second and camera (10).", min=0.01)]
SampleRate = Annotated[Number, typer.Option(help="Streams: samples per second (10,000).", min=1)]
Window = Annotated[Number, typer.Option(help="Streams: seconds of a window (1).", min=0.001)]
Finetune = Annotated[Method | None, typer.Option(help="Fine-tune instead of serving.")]
Tokens = Annotated[Number, typer.Option(help="Fine-tuning: tokens of a run (1e8).", min=1)]
Sequence = Annotated[Whole, typer.Option(help="Fine-tuning: tokens of a sequence (4096).", min=1)]
