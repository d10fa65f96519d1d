"""The page: sections in the order of decisions, and nothing that needs a network or a script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files

import groundplan
from groundplan.catalog import Catalog
from groundplan.plan import Plan, content_hash
from groundplan.report._bought import bought
from groundplan.report._brief import title_of
from groundplan.report._data import sovereignty
from groundplan.report._decision import alternatives, flips
from groundplan.report._facts import Facts
from groundplan.report._headline import banner, headline
from groundplan.report._html import Html, details, label_rules, tag
from groundplan.report._placed import placed, refused
from groundplan.report._power import power
from groundplan.report._service import staffing, workloads
from groundplan.report._signed import signed
from groundplan.report._sources import assumptions, limits
from groundplan.report._spent import by_line, over_time
from groundplan.report._units import units
from groundplan.spec import LoadedSpec
from groundplan.study import Comparison
from groundplan.verify import Report

Section = Callable[[Facts], tuple[str, Html]]
SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("alternatives", "Alternatives", alternatives),
    ("flips", "What would change it", flips),
    ("actions", "What to sign by when", signed),
    ("bought", "Bill of materials", bought),
    ("placed", "What runs where", placed),
    ("cost", "Cost over time", over_time),
    ("units", "Cost of a unit", units),
    ("power", "Power", power),
    ("data", "Who sees which data", sovereignty),
    ("refused", "Why not elsewhere", refused),
    ("workloads", "Workloads", workloads),
    ("staffing", "Staffing margin", staffing),
    ("lines", "All cost lines", by_line),
    ("assumptions", "Assumptions", assumptions),
    ("limits", "Limits", limits),
)
ON_PAPER = "Folded tables are left out on paper; they stand in the page itself, in actions.csv and in bom.csv."
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(
    plan: Plan, loaded: LoadedSpec, catalog: Catalog, verify_report: Report, comparison: Comparison | None = None
) -> str:
    """The report of a plan, beside its alternatives where they were planned, as one HTML document.

    Equal inputs give equal bytes.

    Raises CatalogError where a figure or a name that the report shows is missing in the catalogue.
    """
    facts = Facts(plan, loaded, catalog, verify_report, comparison)
    sections = [_section(facts, key, make) for key, _, make in SECTIONS]
    main = tag("main", headline(facts), *sections, _provenance(facts), id="main")
    skip = tag("a", "Skip to the plan", href="#main", class_="skip")
    body = tag("body", skip, banner(facts), tag("div", _contents(), main, class_="sheet"))
    return f"<!doctype html>\n{tag('html', _head(facts), body, lang='en')}\n"


def _head(facts: Facts) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="generator", content=f"groundplan {groundplan.__version__}"),
        tag("title", f"{title_of(facts)} — {facts.factory.title}"),
        tag("style", Html(_style_sheet())),
    )


def _style_sheet() -> str:
    """The style sheet on one line, without its comments."""
    text = (files("groundplan.report") / "data" / "style.css").read_text("utf-8")
    return re.sub(r"/\*.*?\*/|\n", "", text.replace("/* labels */", label_rules()))


def _contents() -> Html:
    links = [tag("li", tag("a", name, href=f"#{key}")) for key, name, _ in (("plan", "The plan", None), *SECTIONS)]
    return tag("nav", tag("p", "Contents"), tag("ol", *links), aria_label="Contents")


def _section(facts: Facts, key: str, make: Section) -> Html:
    title, body = make(facts)
    return tag("section", tag("h2", title, id=f"{key}-title"), body, id=key, aria_labelledby=f"{key}-title")


def _provenance(facts: Facts) -> Html:
    plan, content = facts.plan, facts.factory.model_dump(mode="json", exclude_none=True)
    hashes = ("factory file", plan.spec_hash), ("catalogue", plan.catalog_hash), ("plan", content_hash(plan))
    reproducible = (
        "the same inputs give the same plan" if plan.result.reproducible else "stopped by a clock, so not reproducible"
    )
    residual = max(plan.result.max_residual, facts.report.max_residual)
    said = (
        f"Plan {plan.name} by groundplan {groundplan.__version__}; {reproducible}. Largest breach of any rule, "
        f"relative: {residual:.1e}. Cost of rounding: {facts.money.short(plan.result.rounding_cost_usd)}. "
        "Check it again with "
    )
    lines = [tag("p", f"SHA-256 of the {name}: ", tag("code", value)) for name, value in hashes]
    inputs = tag("pre", json.dumps(content, indent=1, ensure_ascii=False), tabindex="0")
    return tag(
        "footer",
        tag("p", said, tag("code", "groundplan verify"), "."),
        tag("p", ON_PAPER, class_="paper"),
        *lines,
        details("Show the factory file as it was read", inputs),
    )
