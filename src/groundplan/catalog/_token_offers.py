"""Who sells tokens of a model, at which list price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from groundplan.catalog._base import squash
from groundplan.catalog._catalog import ROLE_ENDINGS
from groundplan.catalog._models import ModelCard
from groundplan.catalog._own import own_costs
from groundplan.catalog._places import TokenPrice, token_price
from groundplan.errors import CatalogError


@dataclass(frozen=True, slots=True)
class TokenOffer:
    """One provider's list price of one model; where it is computed, and in which format, is not stated."""

    provider: str
    provider_name: str
    provider_model: str
    price: TokenPrice


def token_offers(card: ModelCard, *, on: date) -> tuple[TokenOffer, ...]:
    """Every provider of the genai-prices data set that sells the model under a name of its card, on a day.

    Names count as equal by id, alias and Hugging Face id, with or without ``-Instruct`` and the like, and by the
    table ``token_names`` of own.toml. Free and batch variants have other names, so they are left out, and so is what
    has no price per token on that day.
    """
    names = {_short(name) for name in (card.id, card.name, *card.aliases)}
    listed = {name for name, model in own_costs().token_names.items() if model == card.id}
    found: list[TokenOffer] = []
    for provider, title, model, short in _market():
        if short in names or model in listed:
            try:
                price = token_price(provider, model, on=on)
            except CatalogError:
                continue
            found.append(TokenOffer(provider, title, model, price))
    return tuple(found)


@cache
def _market() -> tuple[tuple[str, str, str, str], ...]:
    """(provider, its name, its name of a model, that name shortened) of the whole data set."""
    from genai_prices.data_snapshot import get_snapshot  # 0.2 s of imports: only when asked

    return tuple(
        (provider.id, provider.name, model.id, _short(model.id))
        for provider in get_snapshot().providers
        for model in provider.models
    )


def _short(name: str) -> str:
    """A name without owner, punctuation and the words that change neither shape nor format."""
    short = squash(name.rsplit("/", 1)[-1])
    ending = next((role for role in ROLE_ENDINGS if short.endswith(role) and short != role), "")
    return short.removesuffix(ending)
