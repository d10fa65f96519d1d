"""Rows of measured power: which part, and what it did, from the throughput and batch that the row states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from groundplan.catalog import Accelerator, Catalog, ModelCard, TransformerArch
from groundplan.perf.power import BYTES, ImageUse, Shape, TokenUse, denoisers, expected_active_experts
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._table import TruthRow

METRIC = "avg_power_total"
"""Mean of a run, watts summed over its accelerators."""
PROMPT_TOKENS = {
    "lm-arena-chat": 150.0,
    "gpqa": 250.0,
    "sourcegraph-fim": 1500.0,
    "image-chat": 1500.0,
    "video-chat": 4000.0,
}
"""Mean prompt of the benchmark's tasks, which no row states (assumed)."""
MEDIA_TASKS = frozenset({"image-chat", "video-chat", "audio-chat", "omni-chat"})
FORMATS = {
    "bfloat16": "bf16",
    "float16": "bf16",
    "fp8": "fp8",
    "mxfp4": "fp4",
    "nvfp4": "fp4",
    "int8": "int8",
    "int4": "int4",
}
KV_KB_PER_TOKEN = 75.0
"""KV cache of a model without a card: 75 kB x cube root of its active billions (within 15 % from Qwen3-8B to
Qwen3-Coder-480B, from their configs)."""
Family = Literal["text", "media", "image"]


@dataclass(frozen=True, slots=True)
class PowerRow:
    """A measured mean draw of all accelerators of a run, and what one of them did."""

    row: TruthRow
    part: Accelerator
    family: Family
    model: str
    count: int
    use: TokenUse | ImageUse

    @property
    def watts(self) -> float:
        """Measured, per accelerator."""
        return (self.row.figure("value") or 0.0) / self.count


def read_power_row(row: TruthRow, catalog: Catalog) -> PowerRow | Skipped:
    """The operating point that a row states, or why it has none."""
    if row.metric != METRIC:
        return not_modelled(f"metric {row.metric or '(blank)'}")
    engine, task, model = [*row.text("workload").split(" ", 2), "", "", ""][:3]
    if (part := catalog.find_accelerator(row.text("hardware"))) is None:
        return not_in_catalogue(f"accelerator {row.text('hardware')}")
    chip, count = catalog.accelerator(part), int(row.figure("n_gpus") or 0)
    if count < 1:
        return missing_input("n_gpus")
    if None in (chip.tdp_w, chip.idle_w, chip.mem_bw_gb_per_s, chip.dense_bf16_tflops):
        return missing_input(f"{part}: TDP, idle draw, bandwidth or bf16 peak")
    setting = setting_of(row)
    if engine == "diffusion":
        return _image_row(row, setting.row, chip, model, count)
    family: Family = "media" if task in MEDIA_TASKS else "text"
    use = token_use(setting, chip, card_of(model, catalog), count)
    return use if isinstance(use, Skipped) else PowerRow(row, chip, family, model, count, use)


@dataclass(frozen=True, slots=True)
class Setting:
    """The operating point in a row's `setting`, cell by cell, and the prompt of its task."""

    row: TruthRow
    prompt_tokens: float

    @property
    def cells(self) -> Mapping[str, str]:
        """Name to text."""
        return self.row.cells


def setting_of(row: TruthRow) -> Setting:
    """The cells of `name=value;name=value`."""
    cells = dict(pair.split("=", 1) for pair in row.text("setting").split(";") if "=" in pair)
    task = [*row.text("workload").split(" "), "", ""][1]
    return Setting(TruthRow(row.number, cells), PROMPT_TOKENS.get(task, PROMPT_TOKENS["lm-arena-chat"]))


def card_of(model: str, catalog: Catalog) -> ModelCard | None:
    """The card of a checkpoint, format endings and all; None where the catalogue has none."""
    found = catalog.find_model(model)
    return catalog.model(found.id) if found else None


def _image_row(row: TruthRow, stated: TruthRow, chip: Accelerator, model: str, count: int) -> PowerRow | Skipped:
    denoiser = denoisers().get(model.casefold())
    if denoiser is None:
        return not_in_catalogue(f"denoiser {model}")
    batch, steps, latency_s = (stated.figure(name) for name in ("batch", "steps", "latency_s"))
    if not batch or not steps or not latency_s:
        return missing_input("batch, steps or latency_s")
    peak = count * (chip.dense_bf16_tflops or 0.0) * 1e12
    step_s = denoiser.step_flop(batch) / peak
    use = ImageUse(step_s, min(1.0, step_s * steps / latency_s), count)
    return PowerRow(row, chip, "image", model, count, use)


def token_use(setting: Setting, chip: Accelerator, card: ModelCard | None, count: int) -> TokenUse | Skipped:
    """What one of `count` accelerators does, from batch, step time and rate."""
    stated = setting.row
    names = ("avg_batch", "tok_s", "itl_med_ms", "active_b", "total_b", "out_len")
    batch, rate, itl_ms, active, total, output = (stated.figure(name) for name in names)
    if not batch or not rate or not itl_ms or not active or not total or output is None:
        return missing_input(f"one of {', '.join(names)}")
    if (precision := FORMATS.get(stated.text("prec"))) is None:
        return missing_input(f"precision {stated.text('prec') or '(blank)'}")
    decode_s = itl_ms / 1e3
    context = setting.prompt_tokens + output / 2.0
    read = _weights_read_b(card, active, total, batch) * 1e9 * BYTES[precision]
    read += batch * context * _kv_bytes(card, active, context)
    return TokenUse(
        read_use=min(1.0, read / count / decode_s / (chip.mem_bw_gb_per_s or 1.0) / 1e9),
        flop_use=min(1.0, 2e9 * active * batch / decode_s / count / (chip.dense_bf16_tflops or 1.0) / 1e12),
        prefill_share=min(1.0, max(0.0, 1.0 - decode_s * rate / batch)),
        ranks=count,
    )


def _weights_read_b(card: ModelCard | None, active_b: float, total_b: float, batch: float) -> float:
    """Billions of parameters that a decode step of a batch touches; experts are routed independently."""
    arch = card.arch if card is not None else None
    experts, chosen = (arch.experts, arch.experts_active) if isinstance(arch, TransformerArch) else (0, 0)
    if total_b <= active_b:
        return total_b
    if not experts:
        return total_b - (total_b - active_b) * (1.0 - active_b / total_b) ** (batch - 1.0)
    expert_b = (total_b - active_b) / (experts - chosen)
    shared_b = active_b - chosen * expert_b
    return shared_b + expert_b * float(expected_active_experts(experts, chosen, batch))


def _kv_bytes(card: ModelCard | None, active_b: float, context: float) -> float:
    if card is not None and isinstance(card.arch, TransformerArch):
        return Shape(card.arch, context).kv_bytes_per_token
    return KV_KB_PER_TOKEN * 1e3 * active_b ** (1.0 / 3.0)
