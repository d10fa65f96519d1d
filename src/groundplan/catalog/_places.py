"""Countries, exchange rates, cloud offers and token prices."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import Field

from groundplan.catalog._base import Count, CountryCode, Frozen, NamedRow, NotNegative, Positive, Row
from groundplan.errors import CatalogError, Issue
from groundplan.spec import Source


class Country(NamedRow):
    """A country; its id is the lower-case ISO 3166-1 alpha-2 code. Export groups: `country_group`."""

    code: CountryCode
    grid_carbon_kg_per_kwh: NotNegative | None = None
    """Mean of the stated year, location based."""


class FxRate(Row):
    """Units of local currency for one US dollar."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    fx_local_per_usd: Positive
    dated: date


class CloudOffer(Row):
    """A rental offer: one instance, before tax, per hour."""

    provider: str
    operator_country: CountryCode
    parent_country: CountryCode
    region: str
    country: CountryCode | None = None
    """Country of the ground; blank where the provider quotes one price for all regions."""
    instance: str = ""
    accelerator: str
    accelerators_count: Count
    term: Literal["on-demand", "1y", "3y", "spot"]
    price_usd_per_hour: Positive
    dated: date

    @property
    def price_usd_per_gpu_hour(self) -> float:
        """Price of one accelerator for one hour."""
        return self.price_usd_per_hour / self.accelerators_count


class TokenPrice(Frozen):
    """List price of a token API."""

    input_usd_per_mtok: NotNegative
    output_usd_per_mtok: NotNegative
    source: Source


def token_price(provider: str, model: str, *, on: date) -> TokenPrice:
    """List price per million tokens at noon UTC of a day, offline, from the genai-prices data set.

    Prices with volume tiers give the first tier. Raises CatalogError for an unknown provider or model,
    and for one that bills something else than input and output tokens.
    """
    from genai_prices import Usage, calc_price  # 0.2 s of imports: only when asked

    usage = Usage(input_tokens=1000, output_tokens=1000)
    moment = datetime.combine(on, time(12), tzinfo=UTC)
    try:
        found = calc_price(usage, model, provider_id=provider, genai_request_timestamp=moment)
    except LookupError as error:
        fix = "see the genai-prices list, or state the price as an offer"
        raise CatalogError(Issue("catalog-unknown", f"token-api:{provider}", str(error), fix)) from error
    if not found.input_price and not found.output_price:
        fix = "state the price as an offer"
        what = f"no price per token for {model} on {on}"
        raise CatalogError(Issue("catalog-blank", f"token-api:{provider}", what, fix))
    source = Source(who=_price_list(), dated=on, kind="vendor", note=f"{provider}/{model}, first tier")
    per_mtok = [float(price) * 1000.0 for price in (found.input_price, found.output_price)]
    return TokenPrice(input_usd_per_mtok=per_mtok[0], output_usd_per_mtok=per_mtok[1], source=source)


def _price_list() -> str:
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')} (list prices of the providers)"
