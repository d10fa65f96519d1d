"""Rows of measured robot-policy latency: model, part, stack, format, cameras, steps and chunk, read from free text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from groundplan.catalog import Accelerator, Catalog, VlaArch
from groundplan.validation._outcome import Skipped, missing_input, not_in_catalogue, not_modelled
from groundplan.validation._table import TruthRow

CAMERAS = {"pi0": 3, "pi0.5": 3}
"""Where a row states none: openpi always fills three image slots; other policies take one."""
STACKS = (
    ("tuned", r"triton|apxinf|hand-written|flashrt"),
    ("graph", r"cuda[- ]?graph"),
    ("tensorrt", r"tensorrt|\btrt\b"),
    ("native", r"\bmlc\b|vla\.cpp|llama\.cpp|ggml|gguf"),
    ("jax", r"\bjax\b"),
    ("compiled", r"compile|after system work"),
    ("eager", r"eager|naive|baseline|pytorch|\bhf\b|transformers"),
)
"""Family of a stack by its words, the first that fits."""
WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
CAPPED = re.compile(r"\b(15|30|50)\s?W\b")
NOT_GATED = (
    ("read off", "read off a plot"),
    ("roofline", "a roofline, not measured"),
    ("midpoint", "midpoint of a range"),
)


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One call of a policy by a row."""

    row: TruthRow
    model: str
    arch: VlaArch
    part: Accelerator
    stack: str
    precision: str
    cameras: int
    denoise_steps: int
    chunk_steps: int

    @property
    def group(self) -> str:
        """Rows that one measurement of a stack anchors: one publisher, one stack as it names it, one model."""
        text = re.sub(r"\b(bf16|fp16|fp8|int8|int4|fp4)\b", "", self.row.text("stack_precision").lower())
        return f"{self.row.source_id}: {self.stack}: {' '.join(text.split())}"


def read_control_row(row: TruthRow, catalog: Catalog) -> ControlRow | Skipped:
    """What a row says of a robot policy, or why it cannot be scored."""
    if row.metric != "latency_ms" or row.figure("value") is None:
        return not_modelled(f"metric {row.metric or '(blank)'} without a latency")
    said = f"{row.text('kind')} {row.text('note')}".lower()
    for words, why in NOT_GATED:
        if words in row.text("kind").lower() or (words == "read off" and words in said):
            return not_modelled(why)
    if (found := catalog.find_model(_model_name(row.text("model")))) is None:
        return not_in_catalogue(f"model {row.text('model')}")
    card = catalog.model(found.id)
    if not isinstance(card.arch, VlaArch):
        return not_modelled("no robot policy")
    return _call(row, card.id, card.arch, catalog)


def _call(row: TruthRow, model: str, arch: VlaArch, catalog: Catalog) -> ControlRow | Skipped:
    if re.search(r"per token|decode token", f"{row.text('config')} {row.text('model')}"):
        return not_modelled("one decoded token, no call")
    if CAPPED.search(row.text("hardware")) and "power mode" in row.text("note"):
        return not_modelled("a power mode below the rating")
    if (part := catalog.find_accelerator(row.text("hardware"))) is None:
        return not_in_catalogue(f"accelerator {row.text('hardware')}")
    chip = catalog.accelerator(part)
    if chip.mem_bw_gb_per_s is None or chip.dense_bf16_tflops is None:
        return missing_input(f"{part}: bandwidth or bf16 peak")
    if (stack := stack_of(row.text("stack_precision"))) is None:
        return missing_input(f"stack {row.text('stack_precision') or '(blank)'}")
    text = f"{row.text('config')}, {row.text('source')}"
    if "empty prompt" in text:
        arch = arch.model_copy(update={"text_tokens": 0})
    steps = count_of(text, r"(?:denoise |denoising |flow )?-?steps?") or arch.denoise_steps
    cameras = count_of(text, r"(?:cam|cams|cameras?|views?)") or CAMERAS.get(model, 1)
    chunk = _after(text, r"horizon|chunk") or arch.chunk_steps
    return ControlRow(row, model, arch, chip, stack, format_of(row.text("stack_precision")), cameras, steps, chunk)


def _model_name(text: str) -> str:
    return re.sub(r"\s*\((?:autoregressive|[\d.]+\s?B)\)", "", text).strip()


def stack_of(text: str) -> str | None:
    """Family of a stack by its words; None where they say none."""
    return next((name for name, words in STACKS if re.search(words, text.lower())), None)


def format_of(text: str) -> str:
    """Weight format in the words of a stack; bf16 where none is named (fp16 runs at the same rate)."""
    found = re.search(r"\b(fp8|int8|int4|fp4|nvfp4|w4a16|q4\w*|q8\w*)\b", text.lower())
    names = {"nvfp4": "fp4", "w4a16": "int4"}
    name = found.group(1) if found else "bf16"
    return names.get(name, "int4" if name.startswith("q4") else "int8" if name.startswith("q8") else name)


def count_of(text: str, unit: str) -> int | None:
    """The count in front of a unit: `2 views`, `10-step`, `one-step`."""
    found = re.search(rf"\b(\d+|{'|'.join(WORDS)})[\s-]*{unit}\b", text.lower())
    if found is None:
        return None
    return WORDS.get(found.group(1)) or int(found.group(1))


def _after(text: str, word: str) -> int | None:
    found = re.search(rf"\b(?:{word})\s+(\d+)\b", text.lower())
    return int(found.group(1)) if found else None
