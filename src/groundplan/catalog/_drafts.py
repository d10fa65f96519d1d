"""What can draft for a model in speculative decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundplan.catalog._models import ModelCard, TransformerArch
from groundplan.errors import CatalogError

if TYPE_CHECKING:
    from groundplan.catalog._catalog import Catalog

DRAFT_WORDS = ("mtp", "eagle", "ngram")
VOCABULARY_SHARE = 0.01
"""Tables of one vocabulary may be padded to sizes that differ by so much."""
HINT = "give mtp, eagle, ngram or the id of a smaller model of the same family"


def draft_fault(draft: str, card: ModelCard, catalog: Catalog) -> tuple[str, str] | None:
    """Why this draft proposes no tokens for the model, and what to do; None where it does."""
    if draft == "mtp" and not card.transformer().mtp_layers:
        return f"{card.id} has no layer of its own for multi-token prediction", HINT.replace("mtp, ", "")
    if draft in DRAFT_WORDS:
        return None
    if draft.lower() in DRAFT_WORDS:
        return f"unknown draft {draft}", f"write {draft.lower()}"
    try:
        return _model_fault(catalog.model(draft), card)
    except CatalogError as error:
        return f"unknown draft {draft}", f"{HINT}; {error.issues[0].hint}"


def _model_fault(draft: ModelCard, card: ModelCard) -> tuple[str, str] | None:
    arch, drafting = card.transformer(), draft.arch
    if not isinstance(drafting, TransformerArch):
        return f"{draft.id} is a {drafting.type} model: no draft of a language model", HINT
    if abs(drafting.vocab - arch.vocab) > VOCABULARY_SHARE * arch.vocab:
        return f"{draft.id} has {drafting.vocab:,} tokens, {card.id} {arch.vocab:,}: no draft of it", HINT
    if draft.weights_params() >= card.weights_params():
        return f"{draft.id} is no smaller than {card.id}", HINT
    return None
