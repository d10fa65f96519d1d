"""Rental offers, token prices, countries, exchange rates."""

from __future__ import annotations

from datetime import date

import pytest

from groundplan.catalog import Catalog, token_price
from groundplan.errors import CatalogError

CATALOG = Catalog.default()


def test_offers_cover_the_regions_and_terms_that_matter():
    countries = {offer.country for offer in CATALOG.cloud_offers}
    assert countries >= {"KR", "SG", "JP", "VN", "US"}
    assert {offer.term for offer in CATALOG.cloud_offers} == {"on-demand", "1y", "3y", "spot"}
    assert len(CATALOG.cloud_offers) >= 30
    sovereign = [o for o in CATALOG.cloud_offers if o.country == "KR" and o.parent_country == "KR"]
    assert sovereign


def test_every_offer_rents_a_known_accelerator_on_known_ground():
    for offer in CATALOG.cloud_offers:
        assert CATALOG.accelerator(offer.accelerator).id == offer.accelerator
        assert offer.country is None or CATALOG.country(offer.country).code == offer.country
        assert 0.3 < offer.price_usd_per_gpu_hour < 20


def test_commitments_are_cheaper_than_on_demand():
    prices: dict[tuple[str, str, str], dict[str, float]] = {}
    for offer in CATALOG.cloud_offers:
        shape = (offer.provider, offer.instance, offer.region)
        prices.setdefault(shape, {}).setdefault(offer.term, offer.price_usd_per_hour)
    committed = [terms for terms in prices.values() if "3y" in terms]
    assert committed
    for terms in committed:
        assert terms["3y"] < terms["1y"] < terms["on-demand"]


def test_seoul_costs_more_than_virginia():
    price = {o.region: o.price_usd_per_gpu_hour for o in CATALOG.cloud_offers if o.instance == "p5.48xlarge"}
    assert price["ap-northeast-2"] / price["us-east-1"] == pytest.approx(1.38, abs=0.01)


def test_countries_and_rates():
    assert CATALOG.country("KR") is CATALOG.country("South Korea")
    assert CATALOG.country("KOR").grid_carbon_kg_per_kwh == pytest.approx(0.4306)
    assert CATALOG.country("HK").grid_carbon_kg_per_kwh is None
    assert all(row.code.lower() == row.id for row in CATALOG.countries.rows)
    for tariff in CATALOG.tariffs.rows:
        assert tariff.fx_local_per_usd == CATALOG.fx_rate(tariff.currency).fx_local_per_usd
        assert CATALOG.country(tariff.country).code == tariff.country


def test_token_prices_come_dated_and_sourced():
    price = token_price("openai", "gpt-4o", on=date(2025, 6, 1))
    assert (price.input_usd_per_mtok, price.output_usd_per_mtok) == (2.5, 10.0)
    assert price.source.kind == "vendor"
    assert price.source.who.startswith("genai-prices")
    for provider, model in (("openai", "no-such-model"), ("nobody", "gpt-4o")):
        with pytest.raises(CatalogError):
            token_price(provider, model, on=date(2025, 6, 1))
