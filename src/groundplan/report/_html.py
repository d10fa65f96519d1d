"""HTML from plain functions: everything is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


YEAR = re.compile(r"Y(?:ear )?\d+$")
"""Columns that stay side by side on a phone."""
VOID = frozenset({"meta", "br", "hr", "col"})


def text(value: object) -> Html:
    """A value as HTML; escaped unless it is Html."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other."""
    return Html(between.join(text(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. ``class_`` is class and ``data_label`` is data-label; False and None are left out, True is bare."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(
    caption: object, heads: Sequence[str], rows: Iterable[Sequence[object]], *, total: bool = False, wide: bool = False
) -> Html:
    """A table with a caption; the first cell of each row is its heading.

    A head that starts with ``>`` stands over numbers. `total` sets the last row apart. `wide` keeps columns
    side by side on a phone, in a region that scrolls.
    """
    numeric = [head.startswith(">") for head in heads]
    names = [head.removeprefix(">").strip() for head in heads]
    lines = [_row(row, names, numeric) for row in rows]
    if total and lines:
        lines[-1] = Html(lines[-1].replace("<tr", '<tr class="total"', 1))
    head = join(
        tag("th", name, scope="col", class_="n" if num else None) for name, num in zip(names, numeric, strict=True)
    )
    made = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", *lines),
        class_="wide" if wide else "stack",
    )
    label = html.unescape(text(caption))
    return tag("div", made, class_="scroll", role="region", aria_label=label, tabindex="0") if wide else made


def _row(row: Sequence[object], names: Sequence[str], numeric: Sequence[bool]) -> Html:
    first, *rest = row
    cells = [tag("th", first, scope="row")]
    for value, name, num in zip(rest, names[1:], numeric[1:], strict=True):
        classes = ["n"] * num + ["e"] * (value == "") + ["y"] * bool(YEAR.match(name))
        cells.append(tag("td", value, class_=" ".join(classes) or None, data_label=name))
    return tag("tr", *cells)


def details(summary: object, *content: object, is_open: bool = False) -> Html:
    """Something to unfold; always open on paper."""
    return tag("details", tag("summary", summary), *content, open=is_open)


def listing(items: Iterable[object]) -> Html:
    """A plain list."""
    return tag("ul", *(tag("li", item) for item in items))


def verdict(good: bool, word: object) -> Html:
    """A judgement by sign, word and colour, never by colour alone."""
    sign = tag("span", "✓" if good else "✕", aria_hidden="true")
    return tag("span", sign, " ", word, class_="met" if good else "missed")


def warning(word: object) -> Html:
    """Something to look at, by sign, word and colour."""
    return tag("span", tag("span", "▲", aria_hidden="true"), " ", word, class_="near")
