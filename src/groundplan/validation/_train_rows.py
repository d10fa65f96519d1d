"""A measured training row as the model reads it: shape, layout, recipe; or why it cannot be read."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.perf.training import (
    Layout,
    Precision,
    Profile,
    Recipe,
    Refused,
    TrainPart,
    TrainShape,
    part_facts,
    part_of,
    shape_of,
    total_params,
)
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._table import TruthRow

FILE = Path(__file__).parent / "data" / "training_sources.toml"
PRECISIONS: Mapping[str, Precision] = {
    "bf16": "bf16", "fp16": "bf16", "float16": "bf16", "amp": "bf16", "nf4+bf16": "bf16", "fp8": "fp8",
    "fp8-cs": "fp8", "fp8-hybrid": "fp8", "mxfp8": "mxfp8", "fp8-mx": "mxfp8", "nvfp4": "fp4",
}  # fmt: skip
RECOMPUTE: Mapping[str, float] = {"none": 0.0, "selective": 1.0, "full": 2.0}
MICRO_BATCHES = (1.0, 2.0, 4.0, 8.0, 16.0)
PUBLISHED_VOCAB = 51200
HEAD_DIM = 128


class Unread(Exception):
    """Carries a reason out of the depth of a row."""

    def __init__(self, why: Skipped) -> None:
        self.why = why
        super().__init__(why.reason)


@dataclass(frozen=True, slots=True)
class Run:
    """A row that the model can be asked about."""

    row: TruthRow
    kind: str
    """dense, moe, tuning."""
    shape: TrainShape
    layout: Layout
    recipe: Recipe
    choices: tuple[float, ...] = ()
    """Micro-batches to choose the fastest of, where the row states none."""
    assumed: bool = False
    """Whether something that decides the result is a default."""

    @property
    def tokens(self) -> float:
        """Tokens of a step."""
        return float(self.layout.global_batch) * float(self.layout.sequence_tokens)


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a source beyond its rows."""

    facts: Mapping[str, Any]

    def text(self, row: TruthRow, column: str) -> str:
        """The cell, else the default of the source."""
        return row.text(column) or str(self.facts.get(column, ""))

    def figure(self, row: TruthRow, column: str) -> float | None:
        """The same as a number."""
        found = row.figure(column)
        if found is None and isinstance(self.facts.get(column), int | float):
            return float(self.facts[column])
        return found


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    with FILE.open("rb") as file:
        return tomllib.load(file)


def source_of(source_id: str) -> Source:
    """Facts of the source whose pattern is the longest that matches."""
    found = [one for one in _file()["source"] if fnmatch(source_id, one["id"])]
    return Source(max(found, key=lambda one: len(one["id"])))


def read_run(row: TruthRow, catalog: Catalog, profile: Profile) -> Run | Skipped:
    """A run, or why there is none."""
    try:
        _trap(row)
        return _run(row, catalog, profile)
    except Unread as unread:
        return unread.why
    except Refused as refused:
        return missing_input(str(refused))


def _trap(row: TruthRow) -> None:
    """What a table holds that is no speed of a training step."""
    if row.text("kind") not in ("pretrain", "lora", "sft"):
        raise Unread(not_modelled(f"training of kind {row.text('kind') or 'unstated'}"))
    if row.source_id.startswith("vtrain_single"):
        raise Unread(not_modelled("composed, not measured: single-node rows repeat a per-layer profile"))
    if row.source_id.startswith("vla") or "BERT" in row.text("model"):
        raise Unread(not_modelled("encoder trained without padding: sequences/s x length is no token rate"))
    if "WARNING" in row.text("notes"):
        raise Unread(not_modelled("mapping contradicts the number of accelerators of the row"))
    if row.text("notes").startswith("Baseline, cumulative"):
        raise Unread(not_modelled("batches padded, not packed: tokens/s count what was not padding"))
    if "offload" in row.text("notes"):
        raise Unread(not_modelled("states or activations offloaded to the host"))


MAY_BE_ZERO = ("experts", "top_k", "tp", "pp", "cp", "ep", "vpp")
"""Nothing and none are one: no experts, no parallelism of this kind."""
ABOVE_ZERO = (
    "params_total", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "seq_len", "n_accelerators",
    "micro_batch", "global_batch",
)  # fmt: skip


def _impossible(row: TruthRow) -> None:
    """Counts and widths that no run has."""
    for name in (*ABOVE_ZERO, *MAY_BE_ZERO):
        value = row.figure(name)
        if value is not None and (value < 0 or (value == 0 and name in ABOVE_ZERO)):
            raise Unread(missing_input(f"{name} is no positive number"))


def _run(row: TruthRow, catalog: Catalog, profile: Profile) -> Run:
    _impossible(row)
    source = source_of(row.source_id)
    part = _part(row, source, catalog, profile)
    shape = _shape(row, source, catalog)
    layout, choices, assumed = _layout(row, source, part.memory_bytes)
    recipe = _recipe(row, source, part, layout)
    expert = float(shape.moe_blocks) > 0
    kind = "tuning" if row.text("kind") in ("lora", "sft") else "moe" if expert else "dense"
    return Run(row, kind, shape, layout, recipe, choices, assumed)


def read_job(row: TruthRow, catalog: Catalog, memory_bytes: float) -> tuple[TrainShape, Layout, str]:
    """Shape, layout and stack of a row, whatever it runs on; raises Unread."""
    if "WARNING" in row.text("notes"):
        raise Unread(not_modelled("mapping contradicts the number of accelerators of the row"))
    _impossible(row)
    source = source_of(row.source_id)
    shape = _shape(row, source, catalog)
    layout, _, _ = _layout(row, source, memory_bytes)
    return shape, layout, _stack(row, source, layout)


def _part(row: TruthRow, source: Source, catalog: Catalog, profile: Profile) -> TrainPart:
    name = row.text("accelerator")
    own: Mapping[str, Any] = _file()["accelerators"].get(name, {})
    part_id = own.get("part") or catalog.find_accelerator(name)
    if not part_id:
        raise Unread(not_in_catalogue(name or "accelerator not stated"))
    facts = part_facts(profile, part_id)
    if facts is None or facts.family in ("tpu",):
        raise Unread(not_modelled(f"training on {part_id}"))
    part = part_of(catalog.accelerator(part_id), facts, own.get("power_w"))
    return _at_site(part, {**source.facts, **own})


def _at_site(part: TrainPart, said: Mapping[str, Any]) -> TrainPart:
    """The part with the links of a site."""

    def rate(key: str, usual: float) -> float:
        return float(said[key]) * 1e9 if key in said else usual

    return replace(
        part,
        nic_bytes_per_s=rate("nic_gb_per_s", part.nic_bytes_per_s),
        scaleup_bytes_per_s=rate("scaleup_gb_per_s", part.scaleup_bytes_per_s),
        read_bytes_per_s=rate("read_gb_per_s", part.read_bytes_per_s),
        per_node=float(said.get("per_node", part.per_node)),
    )


def _shape(row: TruthRow, source: Source, catalog: Catalog) -> TrainShape:
    if row.source_id.startswith("bloom") and row.figure("layers") is None and row.metric != "gpu_hours":
        row = _bloom(row)
    layers, hidden = row.figure("layers"), row.figure("hidden")
    dense = not row.figure("experts")
    if dense and layers and hidden and not _hybrid(row):
        return _row_shape(row, source, int(layers), int(hidden))
    found = catalog.find_model(row.text("model"))
    if found is None:
        raise Unread(not_in_catalogue(row.text("model") or "model not stated"))
    card = catalog.model(found.id)
    if card.arch.type != "transformer":
        raise Unread(not_modelled(f"training of a {card.arch.type} model"))
    extra = card.arch.mtp_layers if source.facts.get("prediction_layers") == "card" else 0
    return _slice(row, shape_of(card.arch, 0 if "w/o MTP" in row.text("model") else extra))


def _hybrid(row: TruthRow) -> bool:
    return "nemotron" in row.text("model").lower()


def _slice(row: TruthRow, shape: TrainShape) -> TrainShape:
    """The card with as many layers as the row states: benchmarks cut models to fit a node."""
    layers = row.figure("layers")
    if layers is None or layers == shape.layers or float(shape.state_blocks) > 0:
        return shape
    dense = min(float(shape.dense_blocks), layers) if float(shape.moe_blocks) > 0 else layers
    windowed = float(shape.window_blocks) * layers / float(shape.layers)
    return replace(
        shape,
        layers=layers,
        attention_blocks=layers,
        dense_blocks=dense,
        moe_blocks=layers - dense,
        window_blocks=windowed,
    )


def _bloom(row: TruthRow) -> TruthRow:
    """Shapes of the BLOOM trials that state none: 12 L h^2 = parameters, layers a multiple of the stages."""
    params, pp = row.figure("params_total") or 0.0, row.figure("pp") or 1.0
    hidden = 14336 if row.text("model") == "GPT-181B" else 14400
    layers = 72 if hidden == 14336 else pp * math.floor(params / (12.0 * hidden**2) / pp + 0.35)
    return TruthRow(row.number, {**row.cells, "hidden": str(hidden), "layers": str(layers)})


def _row_shape(row: TruthRow, source: Source, layers: int, hidden: int) -> TrainShape:
    """A dense decoder from the cells; gated or plain, tied or not: whatever comes nearest to the parameter count."""
    heads = row.figure("heads") or max(1, round(hidden / HEAD_DIM))
    shape = TrainShape(
        layers=layers, hidden=hidden, attention_blocks=layers, dense_blocks=layers, heads=heads,
        kv_heads=row.figure("kv_heads") or heads, head_dim=hidden / heads, ffn=row.figure("ffn") or 4.0 * hidden,
        ffn_inputs=1.0, vocab=source.figure(row, "vocab") or PUBLISHED_VOCAB, tied=1.0,
    )  # fmt: skip
    params = row.figure("params_total")
    if params is None or row.figure("ffn") is None:
        return shape
    variants = [replace(shape, ffn_inputs=inputs, tied=tied) for inputs in (1.0, 2.0) for tied in (0.0, 1.0)]
    return min(variants, key=lambda one: abs(math.log(float(total_params(one)) / params)))


def _layout(row: TruthRow, source: Source, memory_bytes: float) -> tuple[Layout, tuple[float, ...], bool]:
    ranks, length = row.figure("n_accelerators"), source.figure(row, "seq_len")
    if not ranks:
        raise Unread(missing_input("n_accelerators"))
    if not length:
        raise Unread(missing_input("seq_len"))
    cut, assumed = _mapping(row, source, ranks, memory_bytes)
    dp = ranks / (cut["tp"] * cut["pp"] * cut["cp"])
    if dp < 1 or abs(dp - round(dp)) > 1e-6:
        raise Unread(not_modelled("mapping contradicts the number of accelerators of the row"))
    batch = row.figure("global_batch")
    micro, micro_batches, choices = _micro_batch(row, source, batch, dp, cut)
    if choices and row.text("zero_stage") == "3":
        raise Unread(missing_input("micro_batch, which says how often sharded weights are gathered"))
    recompute = _recompute(row, source)
    layout = Layout(
        sequence_tokens=length, micro_batch=micro, global_batch=batch or dp * micro * max(micro_batches, 1.0),
        dp=round(dp), recompute=RECOMPUTE.get(recompute, 0.0), sharded=float(row.text("zero_stage") == "3"),
        adapters=float(row.text("kind") == "lora"), micro_batches=micro_batches,
        replicated_states=float(source.facts["stack"] == "megatron-2022" and not row.text("zero_stage")), **cut,
    )  # fmt: skip
    return layout, choices, assumed or bool(choices) or not recompute


def _mapping(row: TruthRow, source: Source, ranks: float, memory_bytes: float) -> tuple[dict[str, float], bool]:
    said = {name: row.figure(name) for name in ("tp", "pp", "cp", "ep", "vpp")}
    if said["tp"] is None and said["pp"] is None and row.figure("dp") is None:
        return _default_mapping(row, source, ranks, memory_bytes), True
    vpp = said["vpp"] if said["vpp"] is not None else source.facts.get("vpp") if (said["pp"] or 1) > 1 else None
    if "Interleaved" in row.text("notes"):
        vpp = 2.0
    cut = {name: said[name] or 1.0 for name in ("tp", "pp", "cp", "ep")}
    return {**cut, "vpp": float(vpp or 1.0)}, False


def _least_tp(row: TruthRow, memory_bytes: float) -> float:
    """Least tensor parallelism at which frozen bf16 weights leave a fifth of the memory."""
    weights = 2.0 * (row.figure("params_total") or 0.0)
    return next((tp for tp in (1.0, 2.0, 4.0) if weights / tp <= 0.8 * memory_bytes), 8.0)


def _default_mapping(row: TruthRow, source: Source, ranks: float, memory_bytes: float) -> dict[str, float]:
    plain = {"tp": 1.0, "pp": 1.0, "cp": 1.0, "ep": 1.0, "vpp": 1.0}
    if ranks == 1 or row.text("zero_stage") == "3" or source.text(row, "mapping") in ("sharded", "replicated"):
        return plain
    batch = row.figure("global_batch") or 0.0
    if source.text(row, "mapping") == "context" and row.text("kind") == "lora" and batch:
        tp = _least_tp(row, memory_bytes)
        share = ranks / batch / tp
        return {**plain, "tp": tp, "cp": share if share > 1 and share == round(share) else 1.0}
    raise Unread(missing_input("mapping: tp, pp, dp"))


def _micro_batch(
    row: TruthRow, source: Source, batch: float | None, dp: float, cut: Mapping[str, float]
) -> tuple[float, float, tuple[float, ...]]:
    """Micro-batch, number of them where the row fixes it otherwise, and what to choose from where nothing does."""
    stated = row.figure("micro_batch")
    local = batch / dp if batch else None
    if (found := re.search(r"local batch (\d+)", row.text("notes"))) and cut["pp"] > 1:
        sequences = float(found[1])
        return max(sequences / cut["pp"], 1.0), cut["pp"], ()
    if stated:
        return stated, 0.0, ()
    if source.text(row, "micro_batch") == "local" and local:
        return local, 0.0, ()
    if local is None:
        return 8.0, 0.0, ()
    fitting = tuple(b for b in MICRO_BATCHES if b <= local and abs(local / b - round(local / b)) < 1e-9)
    return (fitting or (local,))[0], 0.0, fitting if len(fitting) > 1 else ()


def _recompute(row: TruthRow, source: Source) -> str:
    """As stated; a ladder of recipes starts without it and adds it in a later row."""
    if not row.text("recompute") and "cumulative" in row.text("notes"):
        return "none"
    return source.text(row, "recompute")


def _recipe(row: TruthRow, source: Source, part: TrainPart, layout: Layout) -> Recipe:
    said = source.text(row, "precision").lower()
    if (precision := PRECISIONS.get(said)) is None:
        raise Unread(not_modelled(f"precision {said}") if said else missing_input("precision"))
    if part.fp8_flop_per_s is None and not row.text("precision"):
        precision = "bf16"
    part.peak(precision)
    stack = _stack(row, source, layout)
    spread = True if "sequence parallelism on" in row.text("notes") else None
    return Recipe(part, precision, stack, sequence_parallel=spread, token_drop="tokendrop" in row.text("model"))


def _stack(row: TruthRow, source: Source, layout: Layout) -> str:
    stack = str(source.facts["stack"])
    if stack == "unknown":
        stack = _likely_stack(layout)
    eager = source.facts.get("eager") == "unless compiled" and not _compiled(row)
    return f"{stack}-eager" if eager else stack


def _compiled(row: TruthRow) -> bool:
    """As the notes say; products in eight bits are joined with their casts by a compiler only."""
    said = row.text("notes")
    low = PRECISIONS.get(row.text("precision").lower(), "bf16") != "bf16"
    return low or "compile" in said or ("cumulative" in said and "+packed" not in said)


def _likely_stack(layout: Layout) -> str:
    return "megatron-core" if float(layout.tp) * float(layout.pp) > 1 else "fsdp-2024"
