"""Prices built from parts, overheads, and who sells tokens of a model."""

from __future__ import annotations

from datetime import date

import pytest

from groundplan.catalog import Catalog, own_costs, server_price, token_offers

CATALOG = Catalog.default()
DAY = date(2026, 11, 20)


def test_a_price_of_the_catalogue_wins_over_one_built_from_parts():
    h100 = server_price(CATALOG.server("hgx-h100-8"))
    assert (h100.usd_low, h100.usd_high, h100.usd) == (250142, 317000, (250142 + 317000) / 2)
    assert not h100.assumed
    priced = {row.id for row in CATALOG.servers.rows if row.price_usd_low is not None}
    assert {row.server for row in own_costs().built} & priced == set()


def test_a_price_built_from_parts_is_assumed():
    l40s = server_price(CATALOG.server("l40s-8"))
    assert (l40s.usd_low, l40s.usd_high) == (8 * 8500 + 25000, 8 * 8500 + 50000)
    assert l40s.assumed
    assert l40s.scope == "node"


def test_a_server_without_any_price_has_none():
    assert server_price(CATALOG.server("hgx-a100-8")) is None


def test_the_file_names_what_the_catalogue_has():
    costs = own_costs()
    assert all(CATALOG.server(row.server).accelerators_count for row in costs.built)
    for row in costs.connections:
        assert {CATALOG.tariff(name).country for name in row.tariffs} == {row.country}
    assert all(CATALOG.model(model).id == model for model in costs.token_names.values())


@pytest.mark.parametrize("model", [row.id for row in CATALOG.models.rows if row.arch.type == "transformer"])
def test_the_price_list_prices_the_model_that_was_found(model):
    """A pattern of the price list may catch another model; then the price would be a wrong one."""
    from genai_prices import Usage, calc_price

    for offer in token_offers(CATALOG.model(model), on=DAY):
        usage = Usage(input_tokens=1, output_tokens=1)
        assert calc_price(usage, offer.provider_model, provider_id=offer.provider).model.id == offer.provider_model
        assert offer.price.output_usd_per_mtok > 0


def test_providers_are_found_under_names_of_their_own_and_free_or_batch_ones_are_not():
    offers = token_offers(CATALOG.model("gpt-oss-120b"), on=DAY)
    names = {offer.provider_model for offer in offers}
    assert {"openai.gpt-oss-120b-1:0", "openai/gpt-oss-120b", "databricks-gpt-oss-120b"} <= names
    assert not any(name.endswith((":free", ":batch")) for name in names)
    assert token_offers(CATALOG.model("smollm2-135m"), on=DAY) == ()


def test_every_stated_name_of_a_provider_is_sold():
    sold = {offer.provider_model for row in CATALOG.models.rows for offer in token_offers(row, on=DAY)}
    assert set(own_costs().token_names) - sold == set()
