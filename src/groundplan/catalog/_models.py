"""Model cards: the shapes that fix work and memory, whatever the hardware."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from groundplan.catalog._base import Count, Frozen, NamedRow, Positive, Precision, missing_figure

Width = Annotated[int, Field(ge=1)]


class MlaArch(Frozen):
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): ranks and per-head widths."""

    q_lora_rank: int = Field(ge=0)
    """0 = the query is projected in full."""
    kv_lora_rank: Width
    rope_dim: Width
    nope_dim: Width
    v_dim: Width


class TowerArch(Frozen):
    """A plain stack of attention + feed-forward layers (vision tower, language trunk, action expert)."""

    layers: Count
    hidden: Width
    heads: Count
    kv_heads: Count
    head_dim: Width
    ffn: Width
    gated: bool = False
    cross_hidden: Width | None = None
    """Width of what every second layer cross-attends to (diffusion); None = self-attention only."""

    def weights_params(self) -> int:
        """Parameters of the stack without embeddings."""
        keys_from = self.hidden if self.cross_hidden is None else (self.hidden + self.cross_hidden) / 2
        attention = 2 * self.head_dim * (self.hidden * self.heads + keys_from * self.kv_heads)
        return round(self.layers * (attention + (3 if self.gated else 2) * self.hidden * self.ffn))


class TransformerArch(Frozen):
    """Decoder or encoder transformer. `ffn` is the dense width; experts = 0 means a dense model."""

    type: Literal["transformer"] = "transformer"
    layers: Count
    hidden: Width
    heads: Count
    kv_heads: Count
    head_dim: Width
    ffn: Width
    vocab: Width
    gated: bool = True
    tied_embeddings: bool = False
    experts: int = Field(default=0, ge=0)
    experts_active: int = Field(default=0, ge=0)
    experts_shared: int = Field(default=0, ge=0)
    moe_ffn: int = Field(default=0, ge=0)
    dense_layers: int = Field(default=0, ge=0)
    """Leading layers of a mixture-of-experts model that are dense."""
    mla: MlaArch | None = None
    sliding_window_tokens: Width | None = None
    global_layers: int | None = Field(default=None, ge=0)
    """Layers with full attention; None = all."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.experts and not (0 < self.experts_active <= self.experts and self.moe_ffn):
            raise ValueError("a mixture of experts needs experts_active <= experts and moe_ffn")
        if self.mla is None and self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not divide among {self.kv_heads} kv heads")
        if self.global_layers is not None and self.sliding_window_tokens is None:
            raise ValueError("global_layers needs sliding_window_tokens")
        if (self.global_layers or 0) > self.layers:
            raise ValueError("global_layers exceed layers")
        if self.dense_layers > self.layers:
            raise ValueError("dense_layers exceed layers")
        return self

    def attention_params(self) -> int:
        """Parameters of one attention block (projections; norms are below 0.1 %)."""
        if self.mla is None:
            return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        mla, query = self.mla, self.heads * (self.mla.nope_dim + self.mla.rope_dim)
        low_rank = mla.q_lora_rank * (self.hidden + query)
        queries = low_rank if mla.q_lora_rank else self.hidden * query
        keys = self.hidden * (mla.kv_lora_rank + mla.rope_dim)
        keys += mla.kv_lora_rank * self.heads * (mla.nope_dim + mla.v_dim)
        return queries + keys + self.heads * mla.v_dim * self.hidden

    def ffn_params(self, width: int) -> int:
        """Parameters of one feed-forward block of this width."""
        return (3 if self.gated else 2) * self.hidden * width

    def _params(self, routed_experts: int) -> int:
        moe_layers = self.layers - self.dense_layers if self.experts else 0
        moe = (routed_experts + self.experts_shared) * self.ffn_params(self.moe_ffn)
        moe += self.hidden * self.experts  # router
        dense = (self.layers - moe_layers) * self.ffn_params(self.ffn)
        embeddings = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        return self.layers * self.attention_params() + dense + moe_layers * moe + embeddings

    def weights_params(self) -> int:
        """All parameters, embeddings included."""
        return self._params(self.experts)

    def active_params(self) -> int:
        """Parameters that one token touches (both embedding tables counted, as publishers do)."""
        return self._params(self.experts_active)


class VlaArch(Frozen):
    """Robot policy: vision towers -> language trunk -> action head x `denoise_steps`, or decoded tokens."""

    type: Literal["vla"] = "vla"
    vision: tuple[TowerArch, ...] = Field(min_length=1)
    vlm: TowerArch
    fusion: TowerArch | None = None
    """Layers between trunk and action head, run once per observation."""
    action: TowerArch | None = None
    """Action expert or diffusion transformer; None = actions are decoded as tokens by the trunk."""
    vocab: Width
    tied_embeddings: bool = True
    tokens_per_camera: Count
    vision_tokens_per_camera: Count | None = None
    """Patches that the towers see where a projector shortens the sequence; None = tokens_per_camera."""
    text_tokens: int = Field(ge=0)
    state_tokens: int = Field(default=1, ge=0)
    denoise_steps: int = Field(ge=0)
    decode_tokens: int = Field(default=0, ge=0)
    """Tokens decoded one by one for one action (autoregressive policies)."""
    chunk_steps: Count
    action_dim: Count | None = None

    @model_validator(mode="after")
    def _acts(self) -> Self:
        if (self.action is None) != (self.denoise_steps == 0) or not (self.action or self.decode_tokens):
            raise ValueError("a policy needs an action head with denoise_steps, or decode_tokens")
        return self

    def weights_params(self) -> int:
        """All parameters, embeddings included, projectors left out (below 1 %)."""
        stacks = (*self.vision, self.vlm, self.fusion, self.action)
        towers = sum(stack.weights_params() for stack in stacks if stack)
        return towers + self.vocab * self.vlm.hidden * (1 if self.tied_embeddings else 2)


class VisionArch(Frozen):
    """Image model: work per frame at one input size (multiply-add = 2 FLOP)."""

    type: Literal["vision"] = "vision"
    input_width_pixels: Count
    input_height_pixels: Count
    gflops_per_frame: Positive
    activation_mb: Positive | None = None
    """Peak activation memory per frame in bf16."""


class StreamArch(Frozen):
    """Sensor-stream model on CPU cores."""

    type: Literal["stream"] = "stream"
    cpu_ms_per_channel_second: Positive
    sample_rate_hz: Positive
    model_mb: Positive | None = None
    reference_core: str
    """The core that the time was measured on."""


class MeasuredCost(Frozen):
    """One measured anchor of a generator."""

    accelerator: str
    gpu_seconds_per_video_second: Positive


class WorldArch(Frozen):
    """World model or video generator, known by measured anchors only."""

    type: Literal["world"] = "world"
    measured: tuple[MeasuredCost, ...] = Field(min_length=1)
    clip_s: Positive
    memory_gb: Positive | None = None

    def gpu_seconds_per_video_second(self, accelerator: str) -> float:
        """The anchor of this accelerator id; CatalogError when nobody measured it."""
        for anchor in self.measured:
            if anchor.accelerator == accelerator:
                return anchor.gpu_seconds_per_video_second
        known = ", ".join(anchor.accelerator for anchor in self.measured)
        raise missing_figure(accelerator, "gpu_seconds_per_video_second", f"measured on {known} only")


Arch = Annotated[TransformerArch | VlaArch | VisionArch | StreamArch | WorldArch, Field(discriminator="type")]


class ModelCard(NamedRow):
    """A model: shape, size and the format its checkpoint ships in."""

    kind: Literal["llm", "vlm", "embedding", "vla", "vision", "timeseries", "world"]
    params_total_b: Positive | None = None
    params_active_b: Positive | None = None
    native_precision: Precision = "bf16"
    context_tokens: Count | None = None
    arch: Arch

    def weights_params(self) -> int:
        """Parameters recomputed from the shape; from the stated total where a shape does not fix them."""
        if isinstance(self.arch, TransformerArch | VlaArch):
            return self.arch.weights_params()
        if self.params_total_b is None:
            raise missing_figure(self.id, "params_total_b", "add the parameter count of the model card")
        return round(self.params_total_b * 1e9)

    def transformer(self) -> TransformerArch:
        """The arch as a transformer; CatalogError for any other kind of model."""
        if not isinstance(self.arch, TransformerArch):
            raise missing_figure(self.id, "transformer shape", f"{self.id} is a {self.arch.type} model")
        return self.arch

    @model_validator(mode="after")
    def _active_within_total(self) -> Self:
        if self.params_total_b and self.params_active_b and self.params_active_b > self.params_total_b:
            raise ValueError(f"{self.id}: params_active_b exceeds params_total_b")
        return self
