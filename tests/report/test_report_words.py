"""Numbers as readers see them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.report._html import Html, table, tag, text
from groundplan.report._words import SPACE, Money, count, figure, fixed, percent, sentence_list


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7.804, "7.80"),
        (64.2, "64.2"),
        (999.6, "1,000"),
        (12345, "12,300"),
        (-0.5, "−0.500"),
        (0.0123, "0.0123"),
    ],
)
def test_three_significant_digits(value, shown):
    assert figure(value) == shown


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_figures_are_right_to_half_a_percent(value):
    assert float(figure(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_a_number_that_is_none_is_refused():
    with pytest.raises(ValueError, match="cannot be shown"):
        figure(float("nan"))


def test_money_is_in_the_report_currency():
    won = Money("KRW", 1380.0)
    assert won.short(5_650_942) == f"KRW{SPACE}7.80{SPACE}bn"
    assert Money("USD", 1.0).short(-1500) == f"USD{SPACE}−1.50{SPACE}k"
    assert Money("USD", 1.0).short(0) == f"USD{SPACE}0"


def test_a_column_has_one_unit_and_hides_no_small_amount():
    column = Money("USD", 1.0).column([2_000_000, 12, -3])
    assert column.unit == f"USD{SPACE}m"
    assert [column.show(v) for v in (2_000_000, 12, -3, 0, 0.0)] == ["2.00", "<0.01", "−<0.01", "0", "0"]


def test_words():
    assert count(1, "node") == f"1{SPACE}node"
    assert count(1200, "node") == f"1,200{SPACE}nodes"
    assert percent(0.1288, 2) == f"12.88{SPACE}%"
    assert fixed(-0.001, 2) == "0.00"
    assert [sentence_list(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]


@given(st.text(st.characters(exclude_characters="\r\0", exclude_categories=("Cs",))))
def test_text_cannot_leave_its_element(value):
    read = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: read.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.handle_data = lambda data: read.append(data)  # type: ignore[method-assign]
    parser.feed(tag("p", value, title=value))
    parser.close()
    assert read[0] == ("p", {"title": value})
    assert "".join(read[1:]) == value
    assert text(Html("<b>")) == "<b>"


@given(st.text(min_size=1))
def test_heads_cannot_leave_their_style(head):
    made = table("caption", ["first", head.lstrip("> ") or "x"], [["a", "b"]])
    style = re.search(r'<table class="stack" style="([^"]*)">', made)
    assert style is not None
    name, _, said = style.group(1).partition(":")
    assert name == "--c2"
    assert re.fullmatch(r"'(?:[\w .,:%()/×²₂–-]|\\[0-9a-f]+ )*'", said)
