"""Peak memory that training rows state in their notes: rows of their own, predicted from shape, layout and stack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

from groundplan.catalog import Catalog
from groundplan.perf.training import (
    CAPPED_SCORE_BYTES,
    Layout,
    Memory,
    MemoryRecipe,
    Profile,
    TrainShape,
    memory_recipe,
    total_params,
    training_memory,
)
from groundplan.validation._outcome import Outcome, missing_input
from groundplan.validation._score import interval
from groundplan.validation._table import TruthRow
from groundplan.validation._train_rows import Unread, read_job, source_of

MEMORY = "peak_memory_gb"
GIB = 2**30 / 1e9
STATED = (
    re.compile(r"(?<![\d.])(\d+(?:\.\d+)?) ?(GiB|GB) peak"),
    re.compile(r"peak(?: \w+){0,2}:? (\d+(?:\.\d+)?) ?(GiB|GB)"),
)
ANY_MEMORY = 80e9
LADDER = (
    "+packed",
    "+compile",
    "+chunked CE",
    "+act ckpt",
    "+opt in bwd",
    "+act offload",
    "+8bit AdamW",
    "LoRA",
    "QLoRA",
)
"""Steps of a recipe that torchtune adds one after another; each keeps the earlier ones. Eight-bit states leave those of
tables in 32 bits."""


def with_memory_rows(rows: Sequence[TruthRow]) -> tuple[TruthRow, ...]:
    """All rows, and one more for each peak that a note states, in decimal GB."""
    stated = ((row, peak_gb(row.text("notes"))) for row in rows)
    return (*rows, *(_memory_row(row, peak) for row, peak in stated if peak is not None))


def peak_gb(note: str) -> float | None:
    """The stated peak in decimal GB; None where there is none."""
    found = next((match for pattern in STATED if (match := pattern.search(note))), None)
    return float(found[1]) * (GIB if found[2] == "GiB" else 1.0) if found else None


def _memory_row(row: TruthRow, peak: float) -> TruthRow:
    return TruthRow(row.number, {**row.cells, "metric": MEMORY, "value": repr(round(peak, 4))})


def predict_memory(row: TruthRow, catalog: Catalog, profile: Profile) -> Outcome:
    """The peak of the fullest rank, or why there is none."""
    try:
        shape, layout, stack = read_job(_by_config(row), catalog, ANY_MEMORY)
        recipe = _steps(row, shape, memory_recipe(profile.stack(stack), profile))
    except Unread as unread:
        return unread.why
    value = float(peak_of(shape, layout, recipe).total) / 1e9
    return interval(value, 1.0 / profile.intervals["memory"], profile.intervals["memory"])


def peak_of(shape: TrainShape, layout: Layout, recipe: MemoryRecipe) -> Memory:
    """Bytes of one job."""
    return training_memory(shape, layout, recipe)


def _by_config(row: TruthRow) -> TruthRow:
    """The configuration file names the model more exactly than the table does."""
    found = re.search(r"config (gemma-?2-?[^/]*)/", row.text("notes"))
    if found is None or found[1].startswith("gemma-2b"):
        return row
    return TruthRow(
        row.number, {**row.cells, "model": found[1].replace("gemma2-", "gemma-2-").replace("gemma2b", "gemma-2-2b")}
    )


def _steps(row: TruthRow, shape: TrainShape, recipe: MemoryRecipe) -> MemoryRecipe:
    note = row.text("notes")
    recipe = _stated(_by_config(row), recipe)
    if row.source_id == "torchtune":
        return _ladder(note, shape, recipe)
    if row.source_id == "litgpt" and row.text("kind") == "sft":
        raise Unread(missing_input("optimiser of the full fine-tuning recipe"))
    return recipe


def _stated(row: TruthRow, recipe: MemoryRecipe) -> MemoryRecipe:
    """What a row, or the configuration file of its page, says of weights, adapters and scores."""
    facts, model = source_of(row.source_id).facts, row.text("model").lower()

    def listed(name: str) -> bool:
        return any(fnmatch(model, pattern) for pattern in facts.get(name, ()))

    quantised = "nf4" in row.text("precision") or "QLoRA" in row.text("notes")
    adapters = replace(recipe.adapters, quantised=float(quantised), everywhere=float(listed("adapters_everywhere")))
    score_bytes = CAPPED_SCORE_BYTES if listed("capped_scores") else recipe.score_bytes
    return replace(recipe, adapters=adapters, score_bytes=score_bytes)


def _ladder(note: str, shape: TrainShape, recipe: MemoryRecipe) -> MemoryRecipe:
    step = next((i for i, name in enumerate(LADDER) if note.startswith(f"{name}, cumulative")), None)
    if step is None:
        raise Unread(missing_input("steps of the memory recipe: checkpointing, offload, loss in parts"))
    reached = {name: step >= LADDER.index(name) for name in LADDER}
    tables = float(shape.vocab) * float(shape.hidden) / float(total_params(shape))
    eight_bit = 2.0 * (1.0 - tables) + 8.0 * tables
    return replace(
        recipe,
        loss_bytes=LOSS_IN_PARTS if reached["+chunked CE"] else recipe.loss_bytes,
        gradient_bytes=0.0 if reached["+opt in bwd"] else recipe.gradient_bytes,
        offloaded=float(reached["+act offload"]),
        state_bytes=eight_bit if reached["+8bit AdamW"] else recipe.state_bytes,
    )


LOSS_IN_PARTS = 1.7
"""Bytes per logit of a loss in eight parts: an eighth of 10, and the gradient of the hidden state."""
