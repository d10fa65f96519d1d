"""The generated pages are current, and leave nothing out."""

from __future__ import annotations

from pathlib import Path

import generated_docs
import pytest

from groundplan.catalog import Catalog
from groundplan.spec import schema

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.parametrize("page", ["reference", "catalogue"])
def test_page_is_current(page: str) -> None:
    text = getattr(generated_docs, page)()
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8") == text, "run `make docs`"


def test_reference_has_every_key_once_in_each_part() -> None:
    body = schema()
    keys = [key for part in (body, *body["$defs"].values()) for key in part["properties"]]
    rows = [line.split("`")[1] for line in generated_docs.reference().splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(keys)


def test_required_keys_and_defaults_are_told_apart() -> None:
    page = generated_docs.reference()
    assert "| `requests_per_s` | number > 0 | **required** | in 1/s |" in page
    assert "| `required` | true or false | `true` |" in page
    assert "| `discount_rate` | number" in page


def test_catalogue_lists_every_id() -> None:
    catalog, page = Catalog.default(), generated_docs.catalogue()
    tables = (catalog.accelerators, catalog.servers, catalog.models, catalog.tariffs, catalog.offers)
    assert [row.id for table in tables for row in table.rows if f"| `{row.id}` |" not in page] == []
