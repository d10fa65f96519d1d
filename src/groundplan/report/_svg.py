"""A chart as lean SVG: what Vega writes, without its classes, defaults, empty parts and repetitions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from groundplan.report._html import Html

if TYPE_CHECKING:
    import altair as alt

Element = ElementTree.Element
NOISE = frozenset({"class", "pointer-events", "version", "role", "font-family", "display", "stroke-miterlimit"})
"""Attributes that change nothing that is seen; the font is the one of the document."""
DEFAULTS = {
    "opacity": "1", "stroke-width": "1", "text-anchor": "start", "transform": "translate(0,0)", "font-size": "13px",
    "x2": "0", "y2": "0",
}  # fmt: skip
SHARED = ("fill", "stroke", "stroke-width", "opacity", "font-size", "font-weight", "text-anchor")
"""What children may leave to their parent."""
NUMBER = r"(-?[\d.]+(?:e-?\d+)?)"
PLACE = re.compile(rf"translate\({NUMBER},{NUMBER}\)")
CIRCLE = re.compile(rf"M{NUMBER},0A\1,\1,0?,?1,1,-\1,0A\1,\1,0?,?1,1,\1,0Z?")


def svg(chart: alt.LayerChart | alt.FacetChart) -> Html:
    """The drawing, hidden from assistive technology: what it shows is said beside it."""
    import vl_convert

    specification: dict[str, Any] = {**chart.to_dict(), "background": None}
    specification["config"] = {"view": {"strokeOpacity": 0}, "aria": False, "font": "Arial"}
    return Html(lean(vl_convert.vegalite_to_svg(specification)))


def lean(drawn: str) -> str:
    """The same picture in fewer bytes; coordinates to a tenth of a pixel."""
    root = ElementTree.fromstring(re.sub(r'\sxmlns(?::\w+)?="[^"]*"', "", drawn))
    _clean(root)
    _plain(root)
    root.set("font-size", "13")
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>").strip()


def _clean(element: Element) -> None:
    """Children first, so that what becomes empty goes and what they share moves up."""
    for child in list(element):
        if _unseen(child):
            element.remove(child)
        else:
            _clean(child)
            _plain(child)
    _splice(element)
    _share(element)
    _merge(element)


def _unseen(element: Element) -> bool:
    shape = element.get("d")
    return shape in ("", "M0,0h0v0h0Z") or element.get("stroke-opacity") == "0"


def _plain(element: Element) -> None:
    """One way to write each shape, without noise and defaults; a line becomes a path, which others can join."""
    for name in list(element.attrib):
        if name in NOISE or name.startswith("aria-") or element.get(name) == DEFAULTS.get(name):
            del element.attrib[name]
    if "stroke" not in element.attrib and element.tag != "g":
        element.attrib.pop("stroke-width", None)
    for name, value in element.attrib.items():
        element.set(name, _rounded(value))
    place = PLACE.fullmatch(element.get("transform", ""))
    x, y = (float(number) for number in place.groups()) if place else (0.0, 0.0)
    if element.tag == "line":
        _line(element, x, y)
    elif element.tag == "text" and place:
        del element.attrib["transform"]
        element.attrib |= {"x": f"{x:g}", "y": f"{y:g}"}
    elif element.tag == "path" and place and (circle := CIRCLE.fullmatch(element.get("d", ""))):
        element.tag = "circle"
        del element.attrib["transform"], element.attrib["d"]
        element.attrib |= {"cx": f"{x:g}", "cy": f"{y:g}", "r": circle.group(1)}


def _line(element: Element, x: float, y: float) -> None:
    right, down = (float(element.attrib.pop(name, "0")) for name in ("x2", "y2"))
    element.attrib.pop("transform", None)
    element.tag = "path"
    end = f"h{right:g}" if down == 0 else f"v{down:g}" if right == 0 else f"l{right:g},{down:g}"
    element.set("d", f"M{x:g},{y:g}{end}")


def _rounded(value: str) -> str:
    return re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: f"{round(float(found.group(0)), 1):g}", value)


def _splice(element: Element) -> None:
    """A group that says nothing gives its place to its children."""
    children: list[Element] = []
    for child in element:
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = children


def _share(element: Element) -> None:
    """What all children of a group say alike, the group says once."""
    children = list(element)
    if element.tag != "g" or len(children) < 2:
        return
    for name in SHARED:
        values = {child.get(name) for child in children}
        if len(values) == 1 and (value := values.pop()) is not None:
            element.set(name, value)
            for child in children:
                del child.attrib[name]


def _merge(element: Element) -> None:
    """Neighbouring paths that look alike become one; see-through ones stay, since overlaps would show."""
    kept: list[Element] = []
    for child in element:
        last = kept[-1] if kept else None
        if last is not None and _joins(last, child):
            last.set("d", last.get("d", "") + child.get("d", ""))
        else:
            kept.append(child)
    element[:] = kept


def _joins(one: Element, other: Element) -> bool:
    looks = [{name: value for name, value in path.attrib.items() if name != "d"} for path in (one, other)]
    return one.tag == other.tag == "path" and looks[0] == looks[1] and not looks[0].keys() & {"opacity", "transform"}
