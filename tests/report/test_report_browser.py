"""The report in a headless Chromium without a network: nothing asked for, nothing complained of, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, binary, browser
from report_cases import compared, page

pytestmark = pytest.mark.skipif(binary() is None, reason="needs an installed Chromium")
VIEWS = [(width, dark) for width in (320, 390, 768, 1000, 1280) for dark in (False, True)]
OUTSIDE = """[...document.querySelectorAll('svg text')].filter(text => {
  const svg = text.closest('svg').getBoundingClientRect(), box = text.getBoundingClientRect();
  return box.width && (box.left < svg.left - 1 || box.right > svg.right + 1);
}).map(text => text.textContent)"""
WIDER = """[...document.querySelectorAll('main *')].filter(part =>
  part.getBoundingClientRect().right > innerWidth + 1 && !part.closest('[role=region], pre, .skip')
).map(part => part.tagName + ' ' + part.textContent.slice(0, 40))"""
FOCUSED = """(() => { const at = document.activeElement, box = at.getBoundingClientRect();
  return [at.tagName, at.className, getComputedStyle(at).outlineStyle, box.left >= 0 && box.width > 0] })()"""
STOPS = """[...document.querySelectorAll('a, summary, [tabindex]')].filter(part => part.checkVisibility()).length"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(compared()), "utf-8")
    return path


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_it_asks_for_nothing_and_fits(tab: Browser, report: Path, width: int, dark: bool) -> None:
    tab.requests.clear()
    tab.look(width=width, dark=dark)
    tab.open(report)
    assert tab.requests == [report.as_uri()]
    assert tab.said == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.run(WIDER) == []
    assert tab.run(OUTSIDE) == []


@pytest.mark.parametrize(("dark", "page_colour"), [(False, "rgb(255, 255, 255)"), (True, "rgb(18, 22, 27)")])
def test_it_follows_the_colours_of_its_reader(tab: Browser, report: Path, dark: bool, page_colour: str) -> None:
    tab.look(width=1280, dark=dark)
    tab.open(report)
    assert tab.run("getComputedStyle(document.body).backgroundColor") == page_colour


@pytest.mark.parametrize("width", [390, 1280])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(tab: Browser, report: Path, width: int) -> None:
    tab.look(width=width, dark=False)
    tab.open(report)
    tab.press("Tab")
    assert tab.run(FOCUSED) == ["A", "skip", "solid", True]
    stops = 1
    while True:
        tab.press("Tab")
        name, _, outline, is_seen = tab.run(FOCUSED)
        if name == "BODY":
            break
        stops += 1
        assert (outline, is_seen) == ("solid", True), f"stop {stops}, {name}"
    assert stops == tab.run(STOPS) > 20


def test_a_summary_opens_by_the_enter_key(tab: Browser, report: Path) -> None:
    tab.look(width=1280, dark=False)
    tab.open(report)
    assert not tab.run("document.querySelector('details').open")
    tab.run("document.querySelector('summary').focus()")
    tab.press("Enter")
    assert tab.run("document.querySelector('details').open")


def test_pictures_are_named_by_our_sentence(tab: Browser, report: Path) -> None:
    """What assistive technology is told of each drawing; what is drawn inside is kept from it."""
    tab.look(width=1280, dark=False)
    tab.open(report)
    wanted = tab.run("[...document.querySelectorAll('[role=img]')].map(part => part.getAttribute('aria-label'))")
    tree = tab.ask("Accessibility.getFullAXTree")["nodes"]
    heard = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") in ("image", "img")]
    assert heard == wanted
    assert len(wanted) > 4


def test_paper_is_light_and_holds_the_page(tab: Browser, report: Path) -> None:
    tab.look(width=1280, dark=True)
    tab.open(report)
    made = tab.paper()
    assert made.startswith(b"%PDF")
    assert len(made) > 20_000
