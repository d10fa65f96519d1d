"""HTML from plain functions: everything is escaped unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


YEAR = re.compile(r"Y(?:ear )?\d+$")
"""Columns that stay side by side on a phone."""
VOID = frozenset({"meta", "br", "hr", "col"})
MOST_COLUMNS = 16
"""Of a table that becomes a list of records on a phone; the style sheet has a rule for each."""


def text(value: object) -> Html:
    """A value as HTML; escaped unless it is Html."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=False))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other."""
    return Html(between.join(text(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. ``class_`` is class and ``aria_label`` is aria-label; False and None are left out, True is bare."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    said = html.escape(str(value), quote=False).replace('"', "&quot;")
    return f" {name}" if value is True else f' {name}="{said}"'


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; the first cell of each row is its heading.

    A head that starts with ``>`` stands over numbers. `total` sets the last row apart, `chosen` marks the first. On a
    phone each row becomes a record that repeats the heads, told once in the style of the table; `wide` keeps the
    columns side by side in a region that scrolls, and so does a table of more columns than there are rules for.
    """

    caption: object
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    total: bool = False
    wide: bool = False
    chosen: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        return [head.startswith(">") for head in self.heads]

    @property
    def names(self) -> list[str]:
        """Heads without the sign for numbers."""
        return [head.removeprefix(">").strip() for head in self.heads]

    def html(self) -> Html:
        """The element; a wide one in its region."""
        lines = [_row(row, self.names, self.numeric) for row in self.rows]
        if self.total and lines:
            lines[-1] = _marked(lines[-1], "total")
        if self.chosen and lines:
            lines[0] = _marked(lines[0], "chosen")
        pairs = zip(self.names, self.numeric, strict=True)
        head = join(tag("th", name, scope="col", class_="n" if num else None) for name, num in pairs)
        wide = self.wide or len(self.heads) > MOST_COLUMNS
        made = tag(
            "table",
            tag("caption", tag("span", self.caption) if wide else self.caption),
            tag("thead", tag("tr", head)),
            tag("tbody", *lines),
            class_="wide" if wide else "stack",
            style=None if wide else _labels(self.names),
        )
        label = plain(self.caption)
        return tag("div", made, class_="scroll", role="region", aria_label=label, tabindex="0") if wide else made


def table(
    caption: object,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    total: bool = False,
    wide: bool = False,
) -> Html:
    """A `Table` as HTML."""
    return Table(caption, heads, list(rows), total, wide).html()


def plain(value: object) -> str:
    """A value as text without elements; a line break reads as a comma."""
    broken = re.sub(r"\s*<br>\s*", ", ", text(value))
    return html.unescape(re.sub(r"<[^>]*>", "", broken))


def _marked(row: Html, name: str) -> Html:
    return Html(row.replace("<tr", f'<tr class="{name}"', 1))


def _labels(names: Sequence[str]) -> str:
    """Heads as variables that the style sheet puts before the cells of a record: ``--c2`` for the second column."""
    return ";".join(f"--c{number}:{_css_text(name)}" for number, name in enumerate(names[1:], start=2))


def _css_text(name: str) -> str:
    return "'" + re.sub(r"[^\w .,:%()/×²₂–-]", lambda found: f"\\{ord(found.group(0)):x} ", name) + "'"


def label_rules() -> str:
    """The part of the style sheet that reads the variables of `_labels`."""
    numbers = range(2, MOST_COLUMNS + 1)
    return "".join(f".stack td:nth-child({number})::before{{content:var(--c{number})}}" for number in numbers)


def _row(row: Sequence[object], names: Sequence[str], numeric: Sequence[bool]) -> Html:
    first, *rest = row
    cells = [tag("th", first, scope="row")]
    for value, name, num in zip(rest, names[1:], numeric[1:], strict=True):
        classes = ["n"] * num + ["e"] * (value == "") + ["y"] * bool(YEAR.match(name))
        cells.append(tag("td", value, class_=" ".join(classes) or None))
    return tag("tr", *cells)


def details(summary: object, *content: object, is_open: bool = False) -> Html:
    """Something to unfold; what is folded is left out on paper."""
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
