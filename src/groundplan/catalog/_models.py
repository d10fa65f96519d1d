"""Model cards: the shapes that fix work and memory, whatever the hardware."""

from __future__ import annotations

from collections.abc import Iterator
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


class RecurrentArch(Frozen):
    """Layers that carry a state of fixed size instead of a KV cache.

    Mamba-2 (arXiv 2405.21060), gated delta rule (Qwen3-Next) and lightning attention (MiniMax-01, arXiv 2501.08313)
    share one form: every head holds a matrix `head_dim` x `state_dim` for each sequence. Values and their gate are
    heads x head_dim wide; queries and keys (C and B of Mamba-2) are key_heads x state_dim wide.
    """

    kind: Literal["mamba2", "gated_delta", "lightning"]
    layers: Count
    heads: Count
    head_dim: Width
    key_heads: Count
    state_dim: Width
    conv_kernel: int = Field(default=0, ge=0)
    """Taps of the causal convolution over queries, keys and values; 0 = none."""

    @property
    def value_width(self) -> int:
        """Width of the values of all heads."""
        return self.heads * self.head_dim

    @property
    def conv_width(self) -> int:
        """Channels of the convolution: queries, keys and values."""
        return self.value_width + 2 * self.key_heads * self.state_dim

    def params(self, hidden: int) -> int:
        """Parameters of one layer: projections in and out, convolution; norms and decay rates are below 0.1 %."""
        scalars_per_head = {"mamba2": 1, "gated_delta": 2, "lightning": 0}[self.kind]
        width_in = self.value_width + self.conv_width + scalars_per_head * self.heads
        return hidden * (width_in + self.value_width) + self.conv_kernel * self.conv_width

    def state_values(self) -> int:
        """Numbers that one layer keeps for one sequence, at any length: state and convolution window."""
        return self.value_width * self.state_dim + max(self.conv_kernel - 1, 0) * self.conv_width


class SparseAttention(Frozen):
    """Learned sparse attention (DeepSeek-V3.2, arXiv 2512.02556): an indexer picks what a query attends to."""

    top_tokens: Width
    """Tokens a query attends to at most."""
    index_heads: Count
    index_dim: Width
    """Width of an index head; one key of this width is cached for each token and layer."""
    layers: Count
    """Layers that attend to picked tokens only; the other attention layers attend to everything."""
    index_layers: Count | None = None
    """Layers with an indexer of their own; the rest reuse the picks of the one before (GLM-5.2). None = all."""

    @model_validator(mode="after")
    def _no_more_indexers_than_layers(self) -> Self:
        if self.index_count > self.layers:
            raise ValueError("index_layers exceed the sparse layers")
        return self

    @property
    def index_count(self) -> int:
        """Layers that compute an index and cache its keys."""
        return self.layers if self.index_layers is None else self.index_layers

    def params(self, hidden: int, query_width: int) -> int:
        """Parameters of the indexer of one layer: queries from `query_width`, one key and weights of the heads."""
        return query_width * self.index_heads * self.index_dim + hidden * (self.index_dim + self.index_heads)


class TransformerArch(Frozen):
    """Decoder or encoder transformer. `ffn` is the dense width; experts = 0 means a dense model.

    A layer has attention or a recurrence, and a feed-forward block. Models whose layers hold one of the three only
    (Nemotron-H) state `attention_layers` and `ffn_layers`.
    """

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
    moe_latent: int = Field(default=0, ge=0)
    """Width that routed experts work in, where projections lead into and out of it (Nemotron 3); 0 = `hidden`."""
    dense_layers: int = Field(default=0, ge=0)
    """Layers of a mixture-of-experts model that are dense, leading or interleaved."""
    mla: MlaArch | None = None
    attention_gate: bool = False
    """A projection as wide as the queries gates what attention returns (Qwen3-Next)."""
    sliding_window_tokens: Width | None = None
    global_layers: int | None = Field(default=None, ge=0)
    """Attention layers without the window; None = all."""
    attention_layers: int | None = Field(default=None, ge=0)
    """Layers with attention, windowed or not; None = all that are not recurrent."""
    ffn_layers: int | None = Field(default=None, ge=0)
    """Layers with a feed-forward block; None = all."""
    recurrent: RecurrentArch | None = None
    sparse: SparseAttention | None = None
    mtp_layers: int = Field(default=0, ge=0)
    """Layers for multi-token prediction, beside `layers`; `weights_params` leaves them out, as publishers do."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.experts and not (0 < self.experts_active <= self.experts and self.moe_ffn):
            raise ValueError("a mixture of experts needs experts_active <= experts and moe_ffn")
        if self.mla is None and self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not divide among {self.kv_heads} kv heads")
        if self.global_layers is not None and self.sliding_window_tokens is None:
            raise ValueError("global_layers needs sliding_window_tokens")
        for name, least in self._layer_counts():
            if least > self.layers:
                raise ValueError(f"{name} exceed layers")
        return self

    def _layer_counts(self) -> Iterator[tuple[str, int]]:
        yield "attention and recurrent layers", self.attention_count + self.recurrent_count
        yield "global_layers", (self.global_layers or 0) + self.layers - self.attention_count
        yield "ffn_layers", self.ffn_count
        yield "dense_layers", self.dense_layers + self.layers - self.ffn_count
        yield "sparse.layers", (self.sparse.layers if self.sparse else 0) + self.layers - self.attention_count

    @property
    def recurrent_count(self) -> int:
        """Layers with a recurrence."""
        return self.recurrent.layers if self.recurrent else 0

    @property
    def attention_count(self) -> int:
        """Layers with attention, windowed or not: those that hold a KV cache."""
        return self.layers - self.recurrent_count if self.attention_layers is None else self.attention_layers

    @property
    def ffn_count(self) -> int:
        """Layers with a feed-forward block, dense or of experts."""
        return self.layers if self.ffn_layers is None else self.ffn_layers

    @property
    def moe_count(self) -> int:
        """Layers with routed experts."""
        return self.ffn_count - self.dense_layers if self.experts else 0

    @property
    def block_count(self) -> int:
        """Blocks with a residual connection, so all-reduces of a pass under tensor parallelism: 2 a layer as a rule."""
        return self.attention_count + self.recurrent_count + self.ffn_count

    def attention_params(self) -> int:
        """Parameters of one attention block (projections; norms are below 0.1 %), without an indexer."""
        if self.mla is None:
            gate = self.heads if self.attention_gate else 0
            return self.hidden * self.head_dim * (2 * (self.heads + self.kv_heads) + gate)
        mla, query = self.mla, self.heads * (self.mla.nope_dim + self.mla.rope_dim)
        low_rank = mla.q_lora_rank * (self.hidden + query)
        queries = low_rank if mla.q_lora_rank else self.hidden * query
        keys = self.hidden * (mla.kv_lora_rank + mla.rope_dim)
        keys += mla.kv_lora_rank * self.heads * (mla.nope_dim + mla.v_dim)
        return queries + keys + self.heads * mla.v_dim * self.hidden

    def ffn_params(self, width: int) -> int:
        """Parameters of one feed-forward block of this width."""
        return (3 if self.gated else 2) * self.hidden * width

    def expert_params(self) -> int:
        """Parameters of one routed expert of one layer."""
        return (3 if self.gated else 2) * (self.moe_latent or self.hidden) * self.moe_ffn

    def moe_params(self, routed_experts: int) -> int:
        """Parameters of one expert layer with this many of its routed experts: shared experts, router, latent."""
        shared = self.experts_shared * self.ffn_params(self.moe_ffn)
        return routed_experts * self.expert_params() + shared + self.hidden * (self.experts + 2 * self.moe_latent)

    def recurrent_params(self) -> int:
        """Parameters of one recurrent layer; 0 without any."""
        return self.recurrent.params(self.hidden) if self.recurrent else 0

    def indexer_params(self) -> int:
        """Parameters of the indexer of one sparse layer; 0 without sparse attention."""
        query_width = (self.mla.q_lora_rank if self.mla else 0) or self.hidden
        return self.sparse.params(self.hidden, query_width) if self.sparse else 0

    def mtp_params(self) -> int:
        """Parameters of the layers for multi-token prediction: a whole layer and the projection into it, each."""
        feed = self.moe_params(self.experts) if self.experts else self.ffn_params(self.ffn)
        return self.mtp_layers * (2 * self.hidden**2 + self.attention_params() + feed)

    def _params(self, routed_experts: int) -> int:
        mixers = self.attention_count * self.attention_params() + self.recurrent_count * self.recurrent_params()
        mixers += self.sparse.index_count * self.indexer_params() if self.sparse else 0
        dense = (self.ffn_count - self.moe_count) * self.ffn_params(self.ffn)
        embeddings = self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
        return mixers + dense + self.moe_count * self.moe_params(routed_experts) + embeddings

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
    """Tokens decoded one by one for one action (autoregressive policies), or for a chunk: see `decode_per`."""
    decode_per: Literal["action", "chunk"] = "action"
    """chunk: `decode_tokens` are those of the whole chunk (compressed actions); 0 = all actions in the prefix pass."""
    chunk_steps: Count
    action_dim: Count | None = None

    @model_validator(mode="after")
    def _acts(self) -> Self:
        decodes = self.decode_tokens > 0 or self.decode_per == "chunk"
        if (self.action is None) != (self.denoise_steps == 0) or not (self.action or decodes):
            raise ValueError("a policy needs an action head with denoise_steps, or decode_tokens")
        return self

    def decoded_tokens(self, chunk_steps: int) -> int:
        """Tokens that the trunk decodes one by one for a chunk of this many actions; 0 with an action head."""
        return self.decode_tokens * (chunk_steps if self.decode_per == "action" else 1)

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
    operators: Literal["convolution", "grouped", "attention"] = "convolution"
    """What most of the work is: engines run the large products of attention models faster than convolutions, and
    grouped or depthwise convolutions (ResNeXt, EfficientNet) slower."""
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
