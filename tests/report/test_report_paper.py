"""The typeset paper: the words of the page, the same bytes each time, and a clear word where it cannot be set."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from report_cases import case, compared

from groundplan.errors import Issue
from groundplan.report import Facts, PaperError, _paper, need_typst, paper, render
from groundplan.report._html import Html, plain
from groundplan.report._paper import contents

pytest.importorskip("typst", reason="needs the extra pdf")


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return contents(Facts(*case(), compared()))


def _tables(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for part in said["parts"] for one in part["content"] if one["kind"] == "table"]


def _pictures(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for part in said["parts"] for one in part["content"] if one["kind"] == "picture"]


def test_equal_inputs_give_equal_bytes_without_a_date() -> None:
    made = paper(*case(), compared())
    assert made.startswith(b"%PDF")
    assert made == paper(*case(), compared())
    assert b"pdfuaid:part" in made
    assert b"CreationDate" not in made
    assert b"ModDate" not in made


def test_it_is_a_few_pages_long() -> None:
    pages = re.search(rb"/Type\s*/Pages.*?/Count\s+(\d+)|/Count\s+(\d+)", paper(*case(), compared()), flags=re.DOTALL)
    assert pages is not None
    assert 3 <= int(pages.group(1) or pages.group(2)) <= 5


def test_it_says_what_the_page_says(said: dict[str, Any]) -> None:
    read = plain(Html(render(*case(), compared())))
    sentences = [said["title"], said["deadline"], *said["changes"], *(one["text"] for one in said["approvals"])]
    sentences += [part["title"] for part in said["parts"]]
    assert [sentence for sentence in sentences if sentence not in read] == []
    assert len(said["parts"]) == 8


def test_tables_are_rectangles_of_plain_text(said: dict[str, Any]) -> None:
    tables = _tables(said)
    assert len(tables) >= 8
    for one in tables:
        columns = {len(one["heads"]), len(one["numeric"]), len(one["widths"]), *map(len, one["rows"])}
        assert len(columns) == 1, one["caption"]
        assert not any("<" in cell and ">" in cell for row in one["rows"] for cell in row)


def test_pictures_have_the_colours_of_paper_and_a_sentence(said: dict[str, Any]) -> None:
    pictures = _pictures(said)
    assert len(pictures) == 3
    for one in pictures:
        assert ElementTree.fromstring(one["svg"]).tag.endswith("svg")
        assert "var(" not in one["svg"]
        assert len(one["said"]) > 20


def test_without_alternatives_it_says_how_to_get_them() -> None:
    said = contents(Facts(*case()))
    assert "--compare" in said["parts"][0]["content"][0]["text"]
    assert paper(*case()).startswith(b"%PDF")


def test_a_rejected_plan_says_so() -> None:
    plan, loaded, catalog, report = case()
    broken = replace(report, findings=(Issue("power", "plant q1", "facility kW: 90 exceeds 80"),))
    said = contents(Facts(plan, loaded, catalog, broken))
    assert said["keys"][-1] | {"about": ""} == {
        "name": "Check", "value": "Rejected", "about": "", "word": True, "verdict": "bad",
    }  # fmt: skip


def test_text_of_the_file_is_no_markup() -> None:
    plan, loaded, catalog, report = case()
    nasty = '#panic("no") *bold* $x$ <label> @ref \\ ] }'
    sites = tuple(site.model_copy(update={"title": nasty}) for site in loaded.factory.sites)
    spoilt = replace(loaded, factory=loaded.factory.model_copy(update={"title": nasty, "sites": sites}))
    assert paper(plan, spoilt, catalog, report).startswith(b"%PDF")


@pytest.mark.parametrize(("text", "foreign"), [("Größe µ × ₂ – … Ω ж", False), ("창원 공장", True), ("日本", True)])
def test_letters_that_the_fonts_lack_are_noticed(text: str, foreign: bool) -> None:
    assert _paper._is_foreign(text) is foreign


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_paper, "find_spec", lambda _: None)
    with pytest.raises(PaperError, match=r"pip install 'groundplan\[pdf\]'") as raised:
        need_typst()
    assert raised.value.exit_code == 2
