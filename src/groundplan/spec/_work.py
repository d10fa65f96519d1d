"""Workloads: what must run, how much of it, how well, and what it is worth."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundplan.spec._base import Id, Month, NonNegative, Positive, PositiveCount, Share, Strict

Precision = Literal["fp32", "bf16", "fp8", "int8", "fp4"]


class Demand(Strict):
    """Where load arises and how it moves; the amount stands in the fields of each kind.

    Amounts are the design peak (busy minutes) of the first month. Within a period the load is the amount
    x (1 + growth)^(years to the END of the period) x profile of the bucket.
    """

    origin: Id
    """Zone or site."""
    profile: Id = "constant"
    """A profile of the file, or ``constant``."""
    growth_per_year_rate: float = Field(default=0.0, ge=-0.9, le=10)
    from_month: Month | None = None
    until_month: Month | None = None


class LlmDemand(Demand):
    """Requests of a language or vision-language model."""

    requests_per_s: Positive


class ControlDemand(Demand):
    """Robots that call a policy."""

    robots_count: PositiveCount


class VisionDemand(Demand):
    """Cameras that send frames."""

    cameras_count: PositiveCount
    fps_per_s: Positive
    """Frames per second and camera."""


class StreamDemand(Demand):
    """Sensor channels."""

    channels_count: PositiveCount


class BatchDemand(Demand):
    """Work that recurs each month and must finish in the period in which it arises."""

    work_units_per_month: Positive
    """finetune: runs; simulation: produced video-seconds; analytics: CPU core-hours."""


class OnceDemand(Strict):
    """Work to be done once, between two dates."""

    origin: Id
    start_month: Month
    due_month: Month
    """Finished before this month begins."""


class Lengths(Strict):
    """Token counts: lognormal with this mean and coefficient of variation."""

    mean_tokens: Positive
    cv: NonNegative


class Workload(Strict):
    """What all kinds share."""

    id: Id
    title: str
    data_classes: tuple[Id, ...] = Field(min_length=1)
    required: bool = True
    """False: the plan may shed load, at `shed_usd_per_unit` and the lost `value_usd_per_unit`; one must be positive."""
    value_usd_per_unit: NonNegative = 0.0
    """Worth of one served unit (request, call, frame, window)."""
    shed_usd_per_unit: NonNegative = 0.0
    """Penalty of one unit that is not served."""
    priority: int = Field(default=2, ge=1, le=9)
    """1 first. `groundplan fund` spends capped money in this order, on required workloads too. In a plan, what is shed
    follows from `value_usd_per_unit` and `shed_usd_per_unit` alone."""
    allowed_precisions: tuple[Precision, ...] = ()
    """Blank: the checkpoint's own format only."""
    isolation: Literal["gpu", "node"] = "gpu"
    """gpu: a replica has whole GPUs but shares nodes; node: nobody else on its nodes."""
    survives: Literal["none", "node", "site"] = "none"
    """node: at least two replicas, and spare nodes in every pool where it runs, owned or rented, so that the loss of
    any one node leaves enough; site: also `failover_share` of the peak that is served with any one site lost."""
    failover_share: Share = 1.0


class ServedWorkload(Workload):
    """Kinds that answer requests at a rate."""

    upload_kb_per_unit: NonNegative
    download_kb_per_unit: NonNegative


class LlmServiceLevel(Strict):
    """TTFT and TPOT that the stated percentile of requests must meet, network included."""

    ttft_ms: Positive
    tpot_ms: Positive
    percentile: float = Field(default=0.95, ge=0.5, le=0.999)


class LatencyServiceLevel(Strict):
    """Latency from the moment data leaves the device to the moment the answer is back there."""

    latency_ms: Positive
    percentile: float = Field(default=0.99, ge=0.5, le=0.9999)


class Speculation(Strict):
    """Speculative decoding: a draft proposes tokens, one step of the model checks all of them."""

    draft: str
    """``mtp`` (one more layer of the model), ``eagle`` (a head of one dense layer), ``ngram`` (looked up in the prompt,
    free), or the catalogue id of a smaller model with the same tokens."""
    draft_tokens: int = Field(ge=1, le=16)
    """Proposals a step."""
    acceptance_share: float = Field(gt=0, lt=1)
    """Chance that a proposal is accepted where those before it were.

    Measure it on your own texts. Published: 0.85 to 0.90 for the one token of DeepSeek-V3's own layer (its technical
    report)."""


class LlmWorkload(ServedWorkload):
    """Chat, copilots, RAG, video-VLM."""

    kind: Literal["llm"]
    model: str
    """Catalogue id, Hugging Face id, id under `models`, or path of a config.json (Hugging Face), from this file."""
    prompt: Lengths
    output: Lengths
    arrival_cv: float = Field(default=1.0, gt=0, le=5)
    """1: Poisson; above: bursty."""
    engine: Literal["vllm", "sglang", "trtllm", "local"] = "vllm"
    """Serving engine; its fixed times differ (docs/accuracy.md). ``local``: llama.cpp, Ollama, MLC and their kind."""
    tuning: Literal["default", "tuned"] = "default"
    """tuned: set up for this model and part by somebody who does that; defaults take about 1.7 times the host time."""
    speculation: Speculation | None = None
    """Blank: one token a step."""
    prefill: Literal["mixed", "apart", "either"] = "mixed"
    """mixed: engines prefill and decode; apart: some engines prefill, others decode, and the KV cache is sent between
    them (disaggregated serving); either: whatever is better."""
    service_level: LlmServiceLevel
    demand: tuple[LlmDemand, ...] = Field(min_length=1)


class MeasuredCall(Strict):
    """A call of this workload's policy that you timed: its cameras, steps and chunk, one robot, no network."""

    accelerator: Annotated[str, Field(min_length=1)]
    """Catalogue id or alias of what it ran on."""
    precision: Precision
    """Number format of the weights."""
    latency_ms: Positive
    """Images in to actions out, median of a warm server with captured kernels (CUDA graphs), as plans assume."""


class ControlWorkload(ServedWorkload):
    """A robot policy that returns chunks of actions (VLA, ACT, diffusion). One unit is one call."""

    kind: Literal["control"]
    model: str
    control_hz: Positive
    chunk_steps: PositiveCount
    replan_every_steps: PositiveCount
    mode: Literal["sync", "async", "rtc"]
    """sync: the robot waits; async: the next chunk is asked for ahead; rtc: real-time chunking,
    delay d <= s <= H - d."""
    cameras_per_robot: PositiveCount
    denoise_steps: PositiveCount | None = None
    """Blank: the model's own."""
    measured_calls: tuple[MeasuredCall, ...] = ()
    """Calls that you timed: they stand for the model where they ran, and move it by what is shared elsewhere."""
    service_level: LatencyServiceLevel
    demand: tuple[ControlDemand, ...] = Field(min_length=1)


class VisionWorkload(ServedWorkload):
    """Inspection. One unit is one frame."""

    kind: Literal["vision"]
    model: str
    frames_per_part: Positive | None = None
    """Frames that one inspected part takes, all cameras together; costs are then stated per part too."""
    service_level: LatencyServiceLevel
    demand: tuple[VisionDemand, ...] = Field(min_length=1)


class StreamWorkload(ServedWorkload):
    """Predictive maintenance on sensor streams. One unit is one window of one channel."""

    kind: Literal["stream"]
    model: str
    sample_rate_hz: Positive
    window_s: Positive
    service_level: LatencyServiceLevel
    demand: tuple[StreamDemand, ...] = Field(min_length=1)


class FinetuneWorkload(Workload):
    """Recurring fine-tuning. One unit is one run."""

    kind: Literal["finetune"]
    model: str
    method: Literal["lora", "sft"]
    tokens_per_run: Positive
    sequence_tokens: PositiveCount = 4096
    demand: tuple[BatchDemand, ...] = Field(min_length=1)


class PretrainWorkload(Workload):
    """Training from scratch or continued, once, to a date."""

    kind: Literal["pretrain"]
    model: str
    train_tokens: Positive
    sequence_tokens: PositiveCount = 4096
    demand: tuple[OnceDemand, ...] = Field(min_length=1)


class SimulationWorkload(Workload):
    """World models and synthetic data. One unit is one produced video-second."""

    kind: Literal["simulation"]
    model: str
    demand: tuple[BatchDemand, ...] = Field(min_length=1)


class AnalyticsWorkload(Workload):
    """Supply-chain optimisation and other CPU batch. One unit is one core-hour."""

    kind: Literal["analytics"]
    demand: tuple[BatchDemand, ...] = Field(min_length=1)


AnyWorkload = Annotated[
    LlmWorkload
    | ControlWorkload
    | VisionWorkload
    | StreamWorkload
    | FinetuneWorkload
    | PretrainWorkload
    | SimulationWorkload
    | AnalyticsWorkload,
    Field(discriminator="kind"),
]
Served = LlmWorkload | ControlWorkload | VisionWorkload | StreamWorkload
Batch = FinetuneWorkload | PretrainWorkload | SimulationWorkload | AnalyticsWorkload


class OnPremiseFloor(Strict):
    """At least this share of each named workload's load runs on ground you control, in every bucket."""

    workloads: tuple[Id, ...] = Field(min_length=1)
    min_share: Share

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.workloads)) != len(self.workloads):
            raise ValueError("a workload is named twice")
        return self
