"""Speculative decoding: a draft proposes tokens, one step of the model checks all of them at once.

Of k proposals, each accepted with chance a where those before it were, a step yields (1 - a^(k+1)) / (1 - a) tokens
in the mean, one of the model's own included (Leviathan, Kalman and Matias 2023, equation 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from groundplan.catalog import Catalog, ModelCard, TransformerArch, draft_fault
from groundplan.perf._constants import Constants
from groundplan.perf._room import kv_bytes, weight_bytes
from groundplan.perf._shape import BYTES, Floats, Shape, formats_of
from groundplan.perf._steps import Work, decode_attention_s, step_s
from groundplan.perf._terms import Served, Terms, terms
from groundplan.perf._types import Refused
from groundplan.spec import Speculation

ONE = np.ones(1)


@dataclass(frozen=True, slots=True)
class Drafts:
    """What proposes, how much, and how often it is right."""

    tokens: int
    """Proposals a step."""
    acceptance_share: float
    terms: Terms | None = None
    """Of the draft, on the ranks of the model; None: proposals are looked up in the text and cost nothing."""
    weight_bytes: float = 0.0
    """Of one rank."""
    kv_bytes_per_token: float = 0.0
    """Of one rank."""

    @property
    def queries(self) -> float:
        """Tokens of one sequence in a step of the model."""
        return self.tokens + 1.0

    @property
    def kept(self) -> float:
        """Mean tokens that one sequence gains a step."""
        return (1.0 - self.acceptance_share**self.queries) / (1.0 - self.acceptance_share)


def advance_s(t: Terms, c: Constants, batch: Floats, context: Floats, drafts: Drafts | None) -> Floats:
    """Seconds in which each of `batch` sequences, `context` cached tokens in all, gains one token."""
    if drafts is None:
        return step_s(t, c, Work(batch, batch, context))
    check = step_s(t, c, Work(batch * drafts.queries, batch, context, queries=drafts.queries))
    return (check + _proposals_s(c, batch, context, drafts)) / drafts.kept


def _proposals_s(c: Constants, batch: Floats, context: Floats, drafts: Drafts) -> Floats:
    """Passes of the draft, one after another; the host schedules them with the step, once."""
    if drafts.terms is None:
        return batch * 0.0
    in_graph = replace(c, host_s=c.host_s * 0.0, sequence_s=c.sequence_s * 0.0)
    return drafts.tokens * step_s(drafts.terms, in_graph, Work(batch, batch, context))


def token_context_s(t: Terms, c: Constants, drafts: Drafts | None = None) -> float:
    """Seconds per cached token in layers that see all of it, while each sequence gains one token."""
    if drafts is None:
        return _context_s(t, c, 1.0)
    proposals = 0.0 if drafts.terms is None else drafts.tokens * _context_s(drafts.terms, c, 1.0)
    return (_context_s(t, c, drafts.queries) + proposals) / drafts.kept


def _context_s(t: Terms, c: Constants, queries: float) -> float:
    """Of one step: a read, and with MLA a multiplication for each query."""
    far = decode_attention_s(t, c, ONE * 0.0, ONE, queries) - decode_attention_s(t, c, ONE * 0.0, ONE * 0.0, queries)
    return float(far[0]) / float(t.stages) * float(t.stages) ** c.pipeline_exponent


def drafts_of(asked: Speculation, card: ModelCard, context: float, served: Served, catalog: Catalog) -> Drafts:
    """The draft that a workload asks for, on the ranks of one stage; Refused where the model has none of the kind."""
    if asked.draft == "ngram":
        return Drafts(asked.draft_tokens, asked.acceptance_share)
    made, own = _draft(asked.draft, card, catalog), asked.draft not in HEADS
    formats = formats_of(made, _format(asked.draft, catalog)) if own else served.formats
    placed = replace(served, formats=formats, ranks=replace(served.ranks, stages=1))
    shape = Shape(made, context)
    tables = 0.0 if own else shape.embedding_params * BYTES[formats.head] / placed.ranks.per_stage
    return Drafts(
        asked.draft_tokens,
        asked.acceptance_share,
        terms(made, context, placed, kv_tokens=0.0),
        weight_bytes(shape, placed) - tables,
        kv_bytes(shape, formats) / shape.kv_shards(placed.ranks.tensor),
    )


def _draft(name: str, card: ModelCard, catalog: Catalog) -> TransformerArch:
    if (fault := draft_fault(name, card, catalog)) is not None:
        raise Refused("kind", ": ".join(fault))
    return HEADS[name](card.transformer()) if name in HEADS else catalog.model(name).transformer()


def _format(name: str, catalog: Catalog) -> str:
    return catalog.model(name).native_precision


def mtp_arch(arch: TransformerArch) -> TransformerArch:
    """A layer for multi-token prediction: one more layer of the model's own kind, and the output table."""
    return arch.model_copy(update={**ONE_LAYER, "dense_layers": 0})


def eagle_arch(arch: TransformerArch) -> TransformerArch:
    """The head of EAGLE: one dense layer with attention as in the model, and the output table."""
    wide = arch.ffn if not arch.experts else max(arch.ffn, (arch.experts_active + arch.experts_shared) * arch.moe_ffn)
    dense = {"experts": 0, "experts_active": 0, "experts_shared": 0, "moe_ffn": 0, "moe_latent": 0, "dense_layers": 0}
    return arch.model_copy(update={**ONE_LAYER, **dense, "ffn": wide})


ONE_LAYER: dict[str, object] = {
    "layers": 1, "attention_layers": None, "ffn_layers": None, "recurrent": None, "sparse": None, "mtp_layers": 0,
    "sliding_window_tokens": None, "global_layers": None,
}  # fmt: skip
HEADS: Mapping[str, Callable[[TransformerArch], TransformerArch]] = {"mtp": mtp_arch, "eagle": eagle_arch}
