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


@cache
def page() -> str:
    """The report of the sample."""
    return render(*case())
