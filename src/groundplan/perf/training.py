"""The training model for those who score and fit it: shapes, layouts, terms, step time, memory."""

from __future__ import annotations

from groundplan.perf._train_memory import (
    CAPPED_SCORE_BYTES,
    Memory,
    MemoryRecipe,
    memory_recipe,
    training_memory,
)
from groundplan.perf._train_profile import (
    Precision,
    Profile,
    Recipe,
    Terms,
    TrainPart,
    part_facts,
    part_of,
    shipped_profile,
    terms_of,
)
from groundplan.perf._train_shape import (
    TrainShape,
    gathered,
    shape_of,
    stacked,
    total_params,
)
from groundplan.perf._train_step import (
    Layout,
    step_time,
)
from groundplan.perf._types import (
    Refused,
)

__all__ = [
    "CAPPED_SCORE_BYTES",
    "Layout",
    "Memory",
    "MemoryRecipe",
    "Precision",
    "Profile",
    "Recipe",
    "Refused",
    "Terms",
    "TrainPart",
    "TrainShape",
    "gathered",
    "memory_recipe",
    "part_facts",
    "part_of",
    "shape_of",
    "shipped_profile",
    "stacked",
    "step_time",
    "terms_of",
    "total_params",
    "training_memory",
]
