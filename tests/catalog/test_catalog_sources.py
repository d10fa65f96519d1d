"""Every figure has a source; few are assumed; loading stays light."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from groundplan.catalog import (
    Accelerator,
    Catalog,
    CloudOffer,
    Country,
    FxRate,
    Server,
    Tariff,
    figure_counts,
    figure_paths,
    figure_source,
)
from groundplan.errors import CatalogError
from groundplan.units import DIMENSIONLESS, unit_of

CATALOG = Catalog.default()
TABLES = ("accelerators", "servers", "models", "tariffs", "countries", "offers")


def test_at_most_three_figures_in_ten_are_assumed():
    counts = figure_counts()
    assert set(counts) == {"measured", "vendor", "assumed"}
    assert sum(counts.values()) > 1000
    assert counts["assumed"] <= 0.30 * sum(counts.values()), counts


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_has_a_source_and_counts_add_up(table: str):
    rows = getattr(CATALOG, table).rows
    sources = [CATALOG.figure_source(row, path) for row in rows for path in figure_paths(row)]
    assert all(source.who for source in sources)
    assert sum(CATALOG.figure_counts(table).values()) == len(sources)


def test_overrides_win_by_longest_prefix():
    h200 = CATALOG.accelerator("h200-sxm")
    assert figure_source(h200, "idle_w").kind == "measured"
    assert figure_source(h200, "tdp_w") == h200.source
    kepco = CATALOG.tariff("kepco-industrial-eul-hv-a-1")
    weekend = next(i for i, block in enumerate(kepco.energy) if block.day_type == "sunday")
    assert figure_source(kepco, f"energy.{weekend}.price_local_per_kwh").kind == "assumed"
    assert figure_source(kepco, "energy.0.price_local_per_kwh").kind == "vendor"


def test_figures_that_are_not_stated_have_no_source():
    for field in ("applicable_die_mm2", "dense_fp5_tflops"):
        with pytest.raises(CatalogError, match=field):
            figure_source(CATALOG.accelerator("b300"), field)


def test_an_override_that_names_nothing_is_refused():
    text = '[[fx]]\nid = "e"\ncurrency = "EUR"\nfx_local_per_usd = 1\ndated = 2026-01-01\nsource = "epoch"\n'
    with pytest.raises(CatalogError, match="name no stated figure: fx_local_per_eur"):
        Catalog(CATALOG.texts | {"fx": text + 'figure_sources = { fx_local_per_eur = "epoch" }\n'}).fx_rate("e")


def test_every_listed_source_is_used():
    used = set()
    for table in (*TABLES, "fx"):
        for raw in tomllib.loads(CATALOG.texts[table])[table]:
            used |= {raw["source"], *raw.get("figure_sources", {}).values()}
    assert set(CATALOG.sources) - used == set()


def test_the_room_imports_no_heavy_package():
    code = (
        "import sys, groundplan.catalog; heavy = {'numpy', 'numba', 'scipy', 'pandas', 'linopy', 'altair', "
        "'genai_prices', 'highspy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    "kind", [Accelerator, Server, Tariff, Country, CloudOffer, FxRate], ids=lambda kind: kind.__name__
)
def test_units_stand_in_the_names_of_figures(kind: type):
    """Every numeric column ends in a unit or a dimensionless word; a range adds _low and _high."""
    for name, field in kind.model_fields.items():
        if ("float" not in str(field.annotation) and "int" not in str(field.annotation)) or name == "energy":
            continue
        plain = name.removesuffix("_low").removesuffix("_high")
        assert unit_of(plain) or plain.endswith(DIMENSIONLESS) or name == "ratchet_season", name
