"""Charts: Vega-Lite through Altair, drawn offline to SVG whose colours stay CSS variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundplan.report._html import Html, tag
from groundplan.report._svg import svg

if TYPE_CHECKING:
    import altair as alt

WIDE_PX, NARROW_PX = 820, 330
PLOT_PX = 36
"""What axes take from the width."""
LABEL_PX, SAID_PX = 236, 120
"""On a desk, names stand left of the plot and figures right of it; on a phone both stand above each mark."""
MOST_LETTERS = 34
Chart = Callable[[int], "alt.LayerChart | alt.FacetChart"]


@dataclass(frozen=True, slots=True)
class Series:
    """One part of a stack: its values by category, and the colour variable that stands for it."""

    name: str
    colour: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Step:
    """One period of a load against its limit."""

    start_month: int
    end_month: int
    value: float
    limit: float
    is_near: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """An order over time, in months from the start of the plan."""

    label: str
    planned: float
    arrives: float
    used: float
    last_safe: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with what it cannot fall below."""

    label: str
    value: float
    low: float
    said: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of multiples of today, below 1."""

    label: str
    low: float
    high: float
    said: str
    is_never: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the parts of a row stand: wide beside each other, narrow above each other."""

    width: int
    is_wide: bool
    height: int
    left: int
    right: int
    words_at: float
    mark_at: float

    @classmethod
    def of(cls, width: int, *, said: bool = True) -> Rows:
        plot = width - PLOT_PX
        if width > NARROW_PX:
            return cls(plot, True, 34, LABEL_PX, plot - (SAID_PX if said else 0), 0.5, 0.5)
        return cls(plot, False, 44, 0, plot, 0.28, 0.7)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing at any width, and the sentence that says what it shows."""

    draw: Chart
    said: str

    def html(self) -> Html:
        """One drawing for a desk and for paper, and one for a phone; heard as the sentence."""
        return tag("div", both(self.draw), role="img", aria_label=self.said)


def dots(rows: Sequence[Dot]) -> Chart:
    """A dot and an interval per row, with its name and its value."""
    return lambda width: _dots(rows, Rows.of(width))


def spans(rows: Sequence[Span]) -> Chart:
    """A band per row on a logarithmic scale of multiples of today, which stands as a line at 1."""
    return lambda width: _spans(rows, Rows.of(width))


def timeline(waits: Sequence[Wait], start_year: int, start_month: int) -> Chart:
    """Order, lead time, use, and below it the float up to the last safe day."""
    return lambda width: _waits(waits, start_year, start_month, Rows.of(width, said=False))


def stacked_bars(categories: Sequence[str], series: Sequence[Series], tops: Sequence[str]) -> Chart:
    """Stacked columns; negatives hang below zero, `tops` stand above."""
    return lambda width: _stack(categories, series, tops, width)


def steps_under_limit(steps: Sequence[Step], start_year: int, start_month: int) -> Html:
    """Bars over time as wide as their periods, under the line of their limit."""
    return tag("div", svg(_steps(steps, start_year, start_month)), aria_hidden="true")


def both(draw: Chart) -> Html:
    """A drawing for a desk and for paper, and one for a phone."""
    widths = (WIDE_PX, "wide-svg"), (NARROW_PX, "narrow")
    return Html("".join(tag("div", svg(draw(width)), class_=name, aria_hidden="true") for width, name in widths))


def _stack(
    categories: Sequence[str], series: Sequence[Series], tops: Sequence[str], width: int
) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows = [
        {"category": category, "part": part.name, "value": value, "order": order}
        for order, part in enumerate(series)
        for category, value in zip(categories, part.values, strict=True)
        if value
    ]
    scale = alt.Scale(domain=[part.name for part in series], range=[f"var({part.colour})" for part in series])
    heights = [sum(max(0.0, part.values[index]) for part in series) for index in range(len(categories))]
    marks = [
        {"category": c, "height": height, "top": top} for c, height, top in zip(categories, heights, tops, strict=True)
    ]
    x = alt.X("category:O", sort=list(categories), axis=_axis(labelAngle=0, grid=False))
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(stroke="var(--page)", strokeWidth=1)
        .encode(
            x=x,
            y=alt.Y("value:Q", stack="zero", axis=_axis(tickCount=5, grid=True)),
            color=alt.Color("part:N", scale=scale, legend=None),
            order=alt.Order("order:Q"),
        )
    )
    said = alt.Chart(alt.Data(values=marks)).mark_text(dy=-9, fontSize=13, fontWeight="bold", fill="var(--ink)")
    return alt.layer(bars, said.encode(x=x, y="height:Q", text="top:N")).properties(width=width - PLOT_PX, height=260)


def _steps(steps: Sequence[Step], start_year: int, start_month: int) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows = [
        {
            "from": s.start_month,
            "to": s.end_month,
            "value": s.value,
            "limit": s.limit,
            "room": "near" if s.is_near else "room",
        }
        for s in steps
    ]
    # A month number is on the axis where a calendar year begins; its label is that year.
    months = [m for m in range(steps[-1].end_month) if (start_month - 1 + m) % 12 == 0]
    label = f"toString({start_year} + floor((datum.value + {start_month - 1}) / 12))"
    base = alt.Chart(alt.Data(values=rows))
    x = alt.X(
        "from:Q",
        axis=_axis(values=months, labelExpr=label, labelAlign="left", grid=False),
        scale=alt.Scale(domain=[0, steps[-1].end_month], nice=False),
    )
    top = max([s.limit for s in steps] + [s.value for s in steps]) * 1.06 or 1.0
    y = alt.Y("value:Q", axis=_axis(tickCount=4, grid=True), scale=alt.Scale(domain=[0, top], nice=False))
    colour = alt.Color(
        "room:N", legend=None, scale=alt.Scale(domain=["room", "near"], range=["var(--blue)", "var(--near)"])
    )
    bars = base.mark_bar(stroke="var(--page)", strokeWidth=0.75).encode(
        x=x, x2="to:Q", y=y, y2=alt.Y2Datum(0), color=colour
    )
    limit = base.mark_rule(stroke="var(--missed)", strokeWidth=2).encode(x=x, x2="to:Q", y="limit:Q")
    return alt.layer(bars, limit).properties(width=350, height=130)


def _dots(rows: Sequence[Dot], place: Rows) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    data = [
        {"label": _short(dot.label), "value": dot.value, "low": dot.low, "said": dot.said, **_heights(row, place),
         "who": "chosen" if dot.is_chosen else "other"}
        for row, dot in enumerate(rows)
    ]  # fmt: skip
    low, high = min(0.0, *(dot.low for dot in rows)), max(0.0, *(dot.value for dot in rows))
    room = (high - low) or 1.0
    base = alt.Chart(alt.Data(values=data))
    scale = _scale(place, domain=[low - 0.02 * room, high + 0.02 * room])
    x = alt.X("value:Q", scale=scale, axis=_axis(tickCount=5, grid=True))
    colour = alt.Color(
        "who:N", legend=None, scale=alt.Scale(domain=["chosen", "other"], range=["var(--blue)", "var(--mark)"])
    )
    layers = [
        base.mark_rule(strokeWidth=6, opacity=0.4).encode(
            x=alt.X("low:Q", scale=scale), x2="value:Q", y=_row("line", len(rows)), color=colour
        ),
        base.mark_point(shape="circle", size=95, filled=True, opacity=1).encode(
            x=x, y=_row("line", len(rows)), color=colour
        ),
        *_row_words(base, len(rows), place),
    ]
    return alt.layer(*layers).properties(width=place.width, height=place.height * len(rows))


def _spans(rows: Sequence[Span], place: Rows) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    data = [
        {"label": _short(span.label), "low": span.low, "high": max(span.high, span.low * 1.02), "said": span.said,
         **_heights(row, place, tick=0.2), "what": "never" if span.is_never else "flips", "today": 1}
        for row, span in enumerate(rows)
    ]  # fmt: skip
    base = alt.Chart(alt.Data(values=data))
    scale = _scale(place, type="log", domain=[0.01, 1.15])
    ticks = [0.01, 0.03, 0.1, 0.3, 1] if place.is_wide else [0.01, 0.1, 1]
    x = alt.X("low:Q", scale=scale, axis=_axis(values=ticks, grid=True, format="~g"))
    flips = base.transform_filter("datum.what == 'flips'")
    layers = [
        flips.mark_bar(height=12, fill="var(--near)", opacity=1).encode(x=x, x2="high:Q", y=_row("line", len(rows))),
        base.mark_rule(strokeWidth=2, stroke="var(--ink)").encode(
            x=alt.X("today:Q", scale=scale), y=_row("top", len(rows)), y2="bottom:Q"
        ),
        *_row_words(base, len(rows), place),
    ]
    return alt.layer(*layers).properties(width=place.width, height=place.height * len(rows))


def _short(name: str) -> str:
    """What does not fit beside the plot ends in an ellipsis; by letters, so that no font of this machine decides."""
    return name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"


def _heights(row: int, place: Rows, tick: float = 0.0) -> dict[str, float]:
    """Where the words and the mark of a row stand, and how far a tick reaches around the mark."""
    line = row + place.mark_at
    return {"text": row + place.words_at, "line": line, "top": line - tick, "bottom": line + tick}


def _scale(place: Rows, **options: Any) -> alt.Scale:
    import altair as alt

    return alt.Scale(range=[place.left, place.right], nice=False, **options)


def _row(name: str, rows: int) -> alt.Y:
    import altair as alt

    return alt.Y(f"{name}:Q", scale=alt.Scale(domain=[rows, 0], nice=False), axis=None)


def _row_words(base: alt.Chart, rows: int, place: Rows) -> list[alt.Chart]:
    """The name at the left; the figure at the right."""
    import altair as alt

    return [
        _names(base, rows, place),
        base.mark_text(align="right", fontWeight="bold", fontSize=13, fill="var(--ink)", baseline="middle").encode(
            x=alt.value(place.width), y=_row("text", rows), text="said:N"
        ),
    ]


def _names(base: alt.Chart, rows: int, place: Rows) -> alt.Chart:
    import altair as alt

    return base.mark_text(align="left", fontSize=13, fill="var(--ink)", baseline="middle").encode(
        x=alt.value(0), y=_row("text", rows), text="label:N"
    )


SLACK = 0.26
"""How far the float stands below its order, in rows, so that neither hides the other."""


def _waits(waits: Sequence[Wait], start_year: int, start_month: int, place: Rows) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    end = max(max(wait.arrives, wait.used, wait.last_safe) for wait in waits) + 1
    rows = [
        {"label": _short(wait.label), "planned": wait.planned, "arrives": wait.arrives, "used": wait.used,
         "last": wait.last_safe, **_heights(row, place, tick=0.16), "slack": row + place.mark_at + SLACK}
        for row, wait in enumerate(waits)
    ]  # fmt: skip
    base = alt.Chart(alt.Data(values=rows))
    x_scale = _scale(place, domain=[0, end])
    x_axis = _axis(orient="top", grid=True, **_years(end, start_year, start_month, place))

    def x(name: str) -> alt.X:
        return alt.X(f"{name}:Q", scale=x_scale, axis=x_axis)

    def y(name: str) -> alt.Y:
        return _row(name, len(rows))

    layers = [
        base.mark_rule(stroke="var(--mark)", strokeWidth=1.5).encode(x=x("planned"), x2="arrives:Q", y=y("line")),
        base.mark_rule(stroke="var(--ink)", strokeWidth=2).encode(x=x("used"), y=y("top"), y2="bottom:Q"),
        base.mark_rule(stroke="var(--near)", strokeWidth=2).encode(x=x("planned"), x2="last:Q", y=y("slack")),
        base.mark_point(shape="diamond", size=46, filled=True, fill="var(--missed)", opacity=1).encode(
            x=x("last"), y=y("slack")
        ),
        base.mark_point(shape="circle", size=60, filled=True, fill="var(--blue)", opacity=1).encode(
            x=x("planned"), y=y("line")
        ),
        _names(base, len(rows), place),
    ]
    return alt.layer(*layers).properties(width=place.width, height=place.height * len(rows))


def _years(end: float, start_year: int, start_month: int, place: Rows) -> dict[str, Any]:
    """Ticks where a calendar year begins, its quarters between them while there is room; the labels are years."""
    quarters = end <= 24 and place.is_wide
    firsts = (1, 4, 7, 10) if quarters else (1,)
    months = [m for m in range(int(end) + 1) if (start_month - 1 + m) % 12 + 1 in firsts]
    number = f"(datum.value + {start_month - 1})"
    year = f"toString({start_year} + floor({number} / 12))"
    quarter = f"'Q' + toString(1 + floor(({number} % 12) / 3)) + ' '" if quarters else "''"
    return {"values": months, "labelExpr": f"{quarter} + {year}", "labelAlign": "left", "labelOverlap": "greedy"}


def _axis(**options: Any) -> alt.Axis:
    import altair as alt

    look: dict[str, Any] = {
        "domainColor": "var(--axis)",
        "gridColor": "var(--grid)",
        "labelColor": "var(--soft)",
        "labelFontSize": 13,
        "labelPadding": 6,
        "ticks": False,
        "title": None,
    }
    return alt.Axis(**look, **options)
