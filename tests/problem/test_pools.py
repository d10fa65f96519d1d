"""Spares, racks, node bounds and rental prices of a pool."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem_cases import VALUES, calendar, catalog, factory, instances

from groundplan.catalog import Catalog
from groundplan.errors import CatalogError
from groundplan.problem import Pool, spare_nodes
from groundplan.problem._pools import pools, rental_price, sized
from groundplan.spec import RentalOffer

MANY = {**VALUES["purchases"][0], "lot_nodes": 4, "deliveries": []}
PLANT = VALUES["sites"][0]


def _pools(**changes: object) -> dict[str, Pool]:
    found, _ = pools(factory(**changes), catalog(), calendar(years=2))
    return {pool.key: pool for pool in found}


def _at_plant(**hosting: float) -> dict[str, object]:
    sites = [{**PLANT, "hosting": {**PLANT["hosting"], **hosting}}, *VALUES["sites"][1:]]
    return {"sites": sites}


def _enough(nodes: int, spare: int, down: float) -> bool:
    """P(at most `spare` of the nodes down) >= 0.999."""
    return sum(comb(nodes, k) * down**k * (1 - down) ** (nodes - k) for k in range(spare + 1)) >= 0.999


@pytest.mark.parametrize("nodes", [1, 2, 5, 17, 60, 300])
@pytest.mark.parametrize("afr", [0.05, 0.5, 2.0, 8.0])
def test_spares_are_the_fewest_that_cover_the_binomial(nodes, afr):
    spare, down = spare_nodes(nodes, afr), afr * 72 / 8760
    assert _enough(nodes, spare, down)
    assert spare == 1 or not _enough(nodes, spare - 1, down)


@given(nodes=st.integers(1, 200), more=st.integers(0, 100), afr=st.floats(0, 10), worse=st.floats(0, 5))
def test_more_nodes_and_worse_nodes_need_no_fewer_spares(nodes, more, afr, worse):
    assert 1 <= spare_nodes(nodes, afr) <= nodes
    assert spare_nodes(nodes + more, afr) >= spare_nodes(nodes, afr)
    assert spare_nodes(nodes, afr + worse) >= spare_nodes(nodes, afr)


def test_a_node_takes_racks_by_its_height_or_by_its_heat():
    """A node of 10 kW fills 0.4 of a rack by height; in a rack of 16 kW its heat takes 10/16."""
    assert _pools()["plant/node8"].racks_share == 0.4
    assert _pools(**_at_plant(rack_limit_kw=16))["plant/node8"].racks_share == 10 / 16
    assert _pools()["cloud/node8"].racks_share == 0.4


def test_a_node_that_no_rack_can_cool_is_not_ordered_but_stays_where_it_stands():
    assert _pools()["plant/node8"].orderable.all()
    hot = _pools(**_at_plant(rack_limit_kw=9))["plant/node8"]
    assert not hot.orderable.any()
    assert hot.existing
    found, refused = pools(factory(existing=[], **_at_plant(rack_limit_kw=9)), catalog(), calendar(years=2))
    assert "plant/node8" not in [pool.key for pool in found]
    assert refused["plant", "node8"] == ("rack-heat", "node8 draws 10.0 kW a rack; plant takes 9")


def test_orders_need_time_to_arrive():
    """buy4 takes a year: what is ordered in the last year never comes."""
    assert _pools()["annex/node4"].orderable.tolist() == [True, False]
    later = {**VALUES["purchases"][0], "available_from": "2028-01"}
    assert _pools(purchases=[later])["plant/node8"].orderable.tolist() == [False, True]


def test_the_node_bound_is_rounded_up_to_whole_lots_beside_what_is_there():
    pool = _pools(purchases=[MANY], **_at_plant(usable_kw=10_000))["plant/node8"]
    assert sum(row.nodes_count for row in pool.existing) == 2
    for useful, bound in ((0, 2), (2, 2), (3, 6), (6, 6), (7, 10)):
        assert sized(pool, useful, critical=False).max_nodes == bound
    assert sized(pool, 3, critical=False).spare_nodes == 0


def test_a_critical_pool_has_room_for_its_spares():
    pool = replace(_pools(purchases=[MANY], **_at_plant(usable_kw=10_000))["plant/node8"], existing=())
    big = sized(pool, 46, critical=True)
    assert big.spare_nodes == spare_nodes(48, 0.5) == spare_nodes(46, 0.5) + 1
    assert big.max_nodes == -(-(46 + big.spare_nodes) // 4) * 4


def test_a_rented_pool_keeps_one_node_for_the_loss_of_any():
    """The provider replaces a lost node within the hour, so how often its servers fail is not asked."""
    rented = _pools()["cloud/node8"]
    blank = rented.server.model_copy(update={"annual_failure_rate": None})
    assert sized(rented, 46, critical=True).spare_nodes == 1
    assert sized(replace(rented, server=blank), 46, critical=True).spare_nodes == 1
    assert sized(rented, 2, critical=True).max_nodes == 3
    assert sized(rented, 46, critical=False).spare_nodes == 0


@pytest.mark.parametrize("afr", [8760 / 72, 1e6])
def test_nodes_that_are_always_down_are_all_spare(afr):
    assert [spare_nodes(nodes, afr) for nodes in (0, 1, 2, 40)] == [1, 1, 2, 40]


def test_power_deliveries_and_quota_bound_nodes():
    """40 kW and two halls of 15 and one of 60 at a PUE of 1.4 feed nine nodes of 10 kW; two are there."""
    assert sized(_pools(purchases=[{**MANY, "lot_nodes": 1}])["plant/node8"], 99, critical=False).max_nodes == 9
    assert sized(_pools()["plant/node8"], 99, critical=False).max_nodes == 2 + 6
    assert sized(_pools()["cloud/node8"], 99, critical=True).max_nodes == 2 + 3
    assert sized(_pools(purchases=[])["plant/node8"], 99, critical=False).max_nodes == 2


OFFER = """
[[offers]]
id = "listed"
provider = "made up"
operator_country = "US"
parent_country = "US"
region = "r"
accelerator = "{part}"
accelerators_count = {count}
term = "{term}"
price_usd_per_hour = 20.5
dated = 2026-01-01
source = "made-up"
"""
SOURCES = '[sources.made-up]\nwho = "made up"\nkind = "assumed"\nconfidence = "low"\ndated = 2026-01-01\n'


def _listing(part: str = "gpu", count: int = 8, term: str = "1y") -> Catalog:
    parts = instances.ACCELERATOR + instances.ROW
    parts += parts.replace('"gpu"', '"other"').replace("Tiny GPU", "Other GPU")
    empty = dict.fromkeys(("servers", "models", "tariffs", "countries", "fx"), "")
    offers = OFFER.format(part=part, count=count, term=term)
    return Catalog({"sources": SOURCES, "accelerators": parts, "offers": offers, **empty})


RENTAL = {"id": "year", "site": "cloud", "server": "node8", "term": "1y", "cloud_offer": "listed", "quota_nodes": 2}


def test_a_rental_costs_what_the_file_says_or_the_named_listing():
    server, offer = catalog().server("node8"), RentalOffer.model_validate(RENTAL)
    assert rental_price(offer, _listing(), server) == 20.5
    own = factory().rentals[0]
    assert rental_price(own, _listing(), server) == own.price_usd_per_node_hour == 9.5


@pytest.mark.parametrize("figures", [{"part": "other"}, {"count": 4}, {"term": "3y"}, {"term": "spot"}])
def test_an_offer_of_another_part_count_or_term_is_no_price(figures):
    offer = RentalOffer.model_validate(RENTAL)
    with pytest.raises(CatalogError) as caught:
        rental_price(offer, _listing(**figures), catalog().server("node8"))
    (issue,) = caught.value.issues
    assert (issue.code, issue.where) == ("offer-mismatch", "rentals.year.cloud_offer")
    assert caught.value.exit_code == 2


def test_terms_are_months_and_on_demand_has_none():
    assert [rental.term_months for rental in _pools()["cloud/node8"].rentals] == [12, None]
