"""One replica of a serving engine as the planner asks it: seconds of steps, bytes and FLOP, the kernel's tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from groundplan.kernel import StepTime
from groundplan.perf._chip import Chip
from groundplan.perf._constants import Constants, serving_file
from groundplan.perf._profile import EngineSettings
from groundplan.perf._shape import BYTES, Floats, Shape, expected_active_experts
from groundplan.perf._speculation import Drafts, advance_s, token_context_s
from groundplan.perf._tables import pair_s, prefill_s, step_time
from groundplan.perf._terms import Served, Terms, terms


@dataclass(frozen=True)
class Engine:
    """A deployment at one mean context: one of its data groups, while the others do the same.

    A pipeline runs as many micro-batches as stages: in one step each of them passes all stages once, so a step of
    n tokens takes the whole model's time at n / stages tokens.
    """

    shape: Shape
    served: Served
    precision: str
    head_rows: int
    """Sequences at once, and so rows of logits in a step, at most."""
    settings: EngineSettings
    constants: Constants
    drafts: Drafts | None = None

    @property
    def chip(self) -> Chip:
        """The accelerator."""
        return self.served.chip

    @property
    def tensor_parallel(self) -> int:
        """Ranks of a stage."""
        return self.served.ranks.tensor

    @property
    def stages(self) -> int:
        """Pipeline stages."""
        return self.served.ranks.stages

    @property
    def groups(self) -> int:
        """Data groups, each with requests of its own; they step together."""
        return self.served.ranks.data

    @property
    def compute_format(self) -> str:
        """Format of the multiplications of most weights."""
        return self.chip.compute_format(self.precision)

    @cached_property
    def terms(self) -> Terms:
        """Counted work."""
        return terms(self.shape.arch, self.shape.context_tokens, self.served, kv_tokens=0.0)

    @cached_property
    def own(self) -> Terms:
        """What a group does with work of its own: prompts, and the cache of its sequences."""
        return self.terms if self.groups == 1 else replace(self.terms, data=np.ones(()))

    def dense_s(self, tokens: Floats, sequences: Floats | float = 1.0) -> Floats:
        """Seconds of a step of this many tokens, up to `sequences` of them decoding; cached context left out."""
        counts = np.maximum(np.asarray(tokens, dtype=float), 1.0)
        return prefill_s(self.own, self.constants, self.shape.context_tokens, counts, sequences)

    def decode_base_s(self, sequences: Floats) -> Floats:
        """Seconds in which so many sequences gain a token, what grows with their cached context left out."""
        rows, context = np.asarray(sequences, dtype=float), self.shape.context_tokens
        all_rows = rows * self.groups
        whole = advance_s(self.terms, self.constants, all_rows, all_rows * context, self.drafts)
        return whole - self.context_s() * rows * context

    def context_s(self) -> float:
        """Seconds per cached token that is read (and, with MLA, multiplied) while each sequence gains a token.

        With fewer sequences than stages a pipeline is not full and this is too short: there weights decide anyway.
        """
        return self._context_s

    @cached_property
    def _context_s(self) -> float:
        return token_context_s(self.own, self.constants, self.drafts)

    def pair_s(self) -> float:
        """Seconds per query-key pair of prefill attention."""
        return self._pair_s

    @cached_property
    def _pair_s(self) -> float:
        return pair_s(self.own, self.constants)

    def step_bytes(self, tokens: float, context_tokens: float) -> float:
        """Bytes that one accelerator reads in a step: touched weights and KV cache."""
        shape, arch = self.shape, self.shape.arch
        tokens = tokens * self.groups / self.stages
        untouched = arch.experts - expected_active_experts(arch.experts, arch.experts_active, tokens)
        weights = shape.weight_bytes(self.precision) - float(untouched) * shape.expert_params * BYTES[self.precision]
        shards = shape.kv_shards(self.tensor_parallel) * self.stages
        kv = shape.full_layers * shape.kv_layer_bytes * context_tokens / shards
        ranks = self.served.ranks
        attention = shape.attention_params * BYTES[self.served.formats.attention]
        return weights / ranks.per_stage + attention * (1.0 / ranks.tensor - 1.0 / ranks.per_stage) + kv

    def step_flop(self, tokens: float, pairs: float) -> float:
        """FLOP of one accelerator in a step: two per active parameter and token, and attention."""
        shape = self.shape
        active = shape.attention_params + shape.dense_ffn_params
        active += shape.arch.experts_active * shape.expert_params
        flop = 2.0 * active * tokens + shape.full_layers * shape.pair_flop * pairs
        return flop / (self.tensor_parallel * self.stages)

    def token_bytes(self, sequences: float, context_tokens: float) -> float:
        """Bytes that one accelerator reads while so many sequences gain a token; the draft's own left out."""
        if self.drafts is None:
            return self.step_bytes(sequences, context_tokens)
        return self.step_bytes(sequences * self.drafts.queries, context_tokens) / self.drafts.kept

    def computed(self, sequences: float) -> float:
        """Tokens that the model computes while so many sequences gain one."""
        return sequences if self.drafts is None else sequences * self.drafts.queries / self.drafts.kept

    def step_time(self, max_batch: int, token_budget: int) -> StepTime:
        """The kernel's tables: decode for 0..max_batch sequences, prefill at powers of two up to the budget."""
        return step_time(
            self.terms, self.constants, self.shape.context_tokens, max_batch, token_budget, self.drafts, self.groups
        )


def engine_of(
    shape: Shape, served: Served, precision: str, settings: EngineSettings, drafts: Drafts | None = None
) -> Engine:
    """An engine with the constants of this release."""
    rows = settings.batch_cap(served.chip.row.memory_gb or 0.0)
    return Engine(shape, served, precision, rows, settings, serving_file().constants(), drafts)
