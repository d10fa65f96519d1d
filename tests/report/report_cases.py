"""The hand-made plan of the verify tests, dressed for a report."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from groundplan.catalog import Catalog
from groundplan.plan import Plan
from groundplan.report import render
from groundplan.spec import Factory, LoadedSpec
from groundplan.study import Alternative, Comparison, Flip, Priced, Stay
from groundplan.verify import Report, verify

SAMPLE = Path(__file__).resolve().parents[1] / "verify" / "sample.py"


@cache
def _module() -> Any:
    found = importlib.util.spec_from_file_location("report_sample", SAMPLE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def case(**changes: Any) -> tuple[Plan, LoadedSpec, Catalog, Report]:
    """A sound plan of a small rich factory (top-level keys replaced), with its judgement."""
    plan, spec, catalog = _module().sample()
    report = verify(plan, spec, catalog)
    assert report.findings == ()
    factory = Factory.model_validate({**spec.factory.model_dump(), **changes})
    return plan, LoadedSpec(factory, spec.spec_hash, {}, Path("sample.yaml"), {}), catalog, report


def moving_case() -> tuple[Plan, LoadedSpec, Catalog, Report]:
    """The sound plan of the sample whose existing nodes move."""
    plan, spec, catalog = _module().moving_sample()
    report = verify(plan, spec, catalog)
    assert report.findings == ()
    return plan, LoadedSpec(spec.factory, spec.spec_hash, {}, Path("sample.yaml"), {}), catalog, report


@cache
def page(comparison: Comparison | None = None) -> str:
    """The report of the sample."""
    return render(*case(), comparison)


PRICE = Priced(offer="rent", what="8x L40S, on demand", price_usd=20, unit="node-hour", kind="assumed", who="a quote")


@cache
def compared(**changes: Any) -> Comparison:
    """Alternatives of the sample: one dearer (with changes), one without a plan."""
    plan, loaded, _, _ = case()
    base = {
        "objective_usd": plan.result.objective_usd, "bound_usd": plan.result.bound_usd, "gap": 0.0,
        "evaluated_usd": plan.result.objective_usd, "year1_cash_usd": 5e5, "peak_cash_usd": 6e5, "peak_cash_year": 2,
        "fte": 3, "months_to_full_service": 0,
    }  # fmt: skip
    best = Alternative(id="recommended", title="Recommended plan", verdict="recommended", **base)
    flip = Flip(lever="prices of public cloud nodes", prices=(PRICE,), wins_below=0.5, loses_above=0.6, solves=2)
    dearer = {"verdict": "dearer", "dearer_usd": (1e6, 1.2e6), "flip": flip, "ahead_from_month": 14.2, **changes}
    stay = Stay(workload=loaded.factory.workloads[0].id, origin="here", rule="law", why="a rule keeps it")
    cloud = Alternative(id="public-cloud", title="All in public cloud", stays=(stay,), **{**base, **dearer})
    none = Alternative(id="colocation", title="All in colocation", verdict="infeasible", reasons=("no room",))
    rows = best, cloud, none
    return Comparison(name=plan.name, spec_hash=plan.spec_hash, catalog_hash=plan.catalog_hash, alternatives=rows)
