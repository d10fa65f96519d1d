"""The report: whole, offline, well formed, escaped, and true to the plan."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from report_cases import case, compared, page

from groundplan.errors import Issue
from groundplan.finance import NOT_CASH
from groundplan.plan import COST_LINES, RefusalRow
from groundplan.report import render
from groundplan.report._facts import Facts
from groundplan.report._html import plain
from groundplan.report._page import SECTIONS
from groundplan.report._service import needed_replicas, staffing, tightest, together_share
from groundplan.report._spent import GROUPS

VOID = {"meta", "br", "hr", "col"}


class Tree(HTMLParser):
    """Checks nesting as it reads; keeps tags with attributes, and the text of each element kind."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"{tag} states an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"{tag} closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


def tree(text: str) -> Tree:
    parsed = Tree()
    parsed.feed(text)
    parsed.close()
    assert parsed.open == []
    return parsed


def test_every_section_is_there_once_and_in_order():
    parsed = tree(page())
    sections = [attributes["id"] for tag, attributes in parsed.tags if tag == "section"]
    assert sections == [key for key, _, _ in SECTIONS]
    targets = {attributes["href"] for tag, attributes in parsed.tags if tag == "a"}
    ids = Counter(attributes["id"] for _, attributes in parsed.tags if attributes.get("id"))
    assert targets <= {f"#{name}" for name in ids}
    assert max(ids.values()) == 1


def test_landmarks_headings_tables_and_pictures_have_names():
    parsed = tree(page())
    counts = Counter(tag for tag, _ in parsed.tags)
    assert [counts[tag] for tag in ("html", "main", "nav", "h1", "title")] == [1, 1, 1, 1, 1]
    assert counts["table"] == counts["caption"] > 10
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in parsed.tags if tag == "th")
    pictures = [attributes for _, attributes in parsed.tags if attributes.get("role") == "img"]
    assert len(pictures) >= 3
    assert all(attributes.get("aria-label") for attributes in pictures)
    assert next(attributes for tag, attributes in parsed.tags if tag == "html")["lang"] == "en"


def test_headings_step_down_one_level_at_a_time():
    levels = [int(tag[1]) for tag, _ in tree(page(compared())).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_what_scrolls_can_be_reached_and_has_a_name():
    tags = tree(page(compared())).tags
    stops = [attributes for _, attributes in tags if "tabindex" in attributes]
    regions = [attributes for _, attributes in tags if attributes.get("role") == "region"]
    assert len(regions) > 5
    assert all(attributes.get("aria-label") and attributes.get("tabindex") == "0" for attributes in regions)
    assert all(attributes["tabindex"] == "0" for attributes in stops)


def test_the_page_is_light():
    """The budget of a report is 250 kB; tables that turn into records and drawings that repeat are what breaks it."""
    text = page(compared())
    assert len(text.encode()) < 110_000
    assert "data-label" not in text
    assert "pointer-events" not in text


def test_nothing_needs_a_network_or_a_script():
    text = page()
    parsed = tree(text)
    assert not re.search(r"https?://|//\w+\.\w", re.sub(r"<style>.*?</style>", "", text))
    assert not re.search(r"@import|url\((?!#)", text)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in parsed.tags)
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    policies = [attributes["content"] for _, attributes in parsed.tags if attributes.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_text_of_the_file_is_escaped():
    plan, loaded, catalog, report = case()
    nasty = "<script>alert(1)</script>\" onload='x' & co"
    factory = loaded.factory
    sites = tuple(site.model_copy(update={"title": nasty}) for site in factory.sites)
    workloads = tuple(workload.model_copy(update={"title": nasty}) for workload in factory.workloads)
    sources = tuple(
        o.model_copy(update={"source": o.source.model_copy(update={"who": nasty, "note": nasty})})
        for o in factory.purchases
    )
    spoilt = factory.model_copy(update={"title": nasty, "sites": sites, "workloads": workloads, "purchases": sources})
    refusals = tuple(row.model_copy(update={"why": nasty}) for row in plan.refusals)
    text = render(plan.model_copy(update={"refusals": refusals}), replace(loaded, factory=spoilt), catalog, report)
    parsed = tree(text)
    assert "<script" not in text
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert sum(nasty in data for _, data in parsed.texts) > 5


def test_every_cost_line_is_printed_a_zero_as_zero():
    plan, loaded, catalog, report = case()
    zero = {"facility", "egress", "moving", "resale"}
    costs = tuple(row.model_copy(update={"usd": 0.0}) if row.line in zero else row for row in plan.costs)
    text = render(plan.model_copy(update={"costs": costs}), loaded, catalog, report)
    section = text[text.index('<section id="lines"') :]
    section = section[: section.index("</section>")]
    rows = dict(re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', section))
    for line in COST_LINES:
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", rows[line.replace("_", " ")])
        assert len(cells) == 3, "two plan years and their sum"
        assert all(cell == "0" for cell in cells) == (line in zero), line
    assert f"All {len(COST_LINES)} cost lines, 4 of them zero" in section


def test_groups_of_the_chart_hold_every_line_once():
    assert sorted(line for _, _, lines in GROUPS for line in lines) == sorted(COST_LINES)


def test_cash_leaves_out_what_budgets_leave_out():
    plan, loaded, catalog, report = case()
    facts = Facts(plan, loaded, catalog, report)
    assert sum(facts.cash.values()) == pytest.approx(sum(row.usd for row in plan.costs if row.line not in NOT_CASH))
    everything = sum(facts.cash.values()) + sum(row.usd for row in plan.costs if row.line in NOT_CASH)
    assert everything == pytest.approx(sum(report.lines.values()))


def test_stock_follows_orders_retirements_and_lives():
    # 5 old nodes; 2 go and 2 new ones come in q2; a third new one comes with the second year.
    plan, loaded, catalog, report = case()
    facts = Facts(plan, loaded, catalog, report)
    held = [facts.own_nodes("plant", "node8", period) for period in plan.periods]
    assert held == [5, 5, 5, 5, 6]
    assert [facts.rented_nodes(facts.rentals["cloud-year"], p) for p in plan.periods] == [1, 1, 1, 1, 0]
    assert [facts.rented_nodes(facts.rentals["cloud-now"], p) for p in plan.periods] == [2, 2, 2, 2, 3]  # one spare


def test_margins_are_those_of_the_staffing_tables():
    plan, loaded, catalog, report = case()
    margins = tightest(Facts(plan, loaded, catalog, report))
    assert margins
    for margin in margins:
        assert -1e-9 <= margin.spare < margin.row.replicas
        assert margin.needed_low >= margin.needed
        same = (margin.row.point, margin.row.origin, margin.row.site)
        staffing = next(row for row in plan.staffing if (row.point, row.origin, row.site) == same)
        covering = [t.alpha * margin.load + t.beta for t in staffing.tangents if t.load_max >= margin.load]
        assert margin.needed == min(covering) == needed_replicas(staffing, margin.load)


def _staffing(share: float | str, **factors: float) -> str:
    plan, *rest = case(speed_confidence_share=share)
    points = tuple(row.model_copy(update=factors) for row in plan.points)
    return re.sub(r"\s+", " ", plain(staffing(Facts(plan.model_copy(update={"points": points}), *rest))[1]))


def test_staffing_of_expected_speeds_says_what_the_default_would_ask():
    text = _staffing("expected", error_low_factor=0.5, error_high_factor=2.0)
    assert "The file asks for expected speeds. To hold together with 90 %" in text
    assert "For 90 %" in text
    found = re.findall(r"(\d\d) %, (\d\d) % once measured", text)
    assert found, "a language model may be measured"
    assert all(int(planned) < int(measured) for planned, measured in found)
    assert "once measured" not in _staffing("expected", error_low_factor=0.9, error_high_factor=1.1)


def test_staffing_warns_where_the_plan_holds_with_less_than_was_asked():
    facts = Facts(*case(speed_confidence_share=0.99))
    assert together_share(facts, tightest(facts)) < 0.99, "the sample is planned at expected speeds"
    text = _staffing(0.99)
    assert "all hold with 99 %" in text
    assert "stays below" in text
    assert "Planned at" in text
    assert "of the middle" in text


def test_headline_says_cost_bound_gap_and_verdict():
    plan, loaded, catalog, report = case()
    header = re.search(r"<header.*?</header>", page(), flags=re.DOTALL)
    assert header is not None
    assert "Verified" in header.group(0)
    assert f"{100 * plan.result.gap:.2f}\N{NO-BREAK SPACE}%" in header.group(0)
    assert "Synthetic." in page()
    broken = replace(report, findings=(Issue("power", "plant q1", "facility kW: 90 exceeds 80"),))
    text = render(plan, loaded, catalog, broken)
    assert "Rejected" in text
    assert "facility kW: 90 exceeds 80" in text
    real = replace(loaded, factory=loaded.factory.model_copy(update={"synthetic": False}))
    assert "Synthetic." not in render(plan, real, catalog, report)


def test_a_plan_stopped_by_a_limit_says_so():
    plan, loaded, catalog, report = case()
    stopped = plan.model_copy(
        update={"result": plan.result.model_copy(update={"status": "limit", "reproducible": False})}
    )
    text = render(stopped, loaded, catalog, report)
    assert "stopped before the gap asked for" in text
    assert "not reproducible" in text


def test_equal_input_gives_equal_bytes():
    assert render(*case()) == page()


def test_refusals_are_grouped_by_rule_with_the_sentence():
    plan, loaded, catalog, report = case()
    cell = {"workload": "chat", "origin": "homes", "site": "cloud", "server": "node8"}
    reasons = {"latency": "TTFT 9 s", "kr-nct": "operator is US"}
    refusals = tuple(RefusalRow(**cell, rule=rule, why=why) for rule, why in reasons.items())
    text = render(plan.model_copy(update={"refusals": refusals}), loaded, catalog, report)
    assert text.index("operator is US") < text.index("TTFT 9 s"), "law comes first"
    assert "kr-nct by law or house rule" in text


def test_an_empty_plan_has_words_instead_of_empty_tables():
    plan, loaded, catalog, report = case()
    decisions = [
        "orders",
        "blocks",
        "retirements",
        "rents",
        "bursts",
        "replicas",
        "loads",
        "batch",
        "tokens",
        "failovers",
        "shed",
        "staff",
        "peaks",
        "links",
    ]
    gone = dict.fromkeys(decisions, ())
    bare = replace(loaded, factory=loaded.factory.model_copy(update={"existing": ()}))
    text = render(plan.model_copy(update={**gone, "opened": {}}), bare, catalog, report)
    tree(text)
    bought = "nothing to order", "Nothing is rented", "Order no server and rent none."
    for sentence in (*bought, "no power to compare", "Run nothing"):
        assert sentence in text
