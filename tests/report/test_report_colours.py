"""The colours of the style sheet: contrast of text and marks, and stacks that the colour-blind can tell apart."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations, pairwise

import numpy as np
import pytest

CSS = (files("groundplan.report") / "data" / "style.css").read_text("utf-8")
LIGHT, DARK = (dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6});", part)) for part in CSS.split("@media screen")[:2])
TEXT = ("ink", "soft", "blue", "near-ink", "missed", "met")
MARKS = ("near", "axis", *(f"g{number}" for number in range(1, 8)))
# Machado, Oliveira, Fernandes 2009: protanopia, deuteranopia, tritanopia at full strength, on linear RGB.
SIGHT = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour: str) -> np.ndarray:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    value = np.array([int(digits[at : at + 2], 16) for at in (0, 2, 4)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dim, bright = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_on_the_page(theme):
    assert {
        name: contrast(theme[name], theme["page"]) for name in TEXT if contrast(theme[name], theme["page"]) < 4.5
    } == {}
    assert {
        name: contrast(theme[name], theme["page"]) for name in MARKS if contrast(theme[name], theme["page"]) < 3
    } == {}
    assert contrast(theme["near-ink"], theme["near-tint"]) >= 4.5
    assert contrast(theme["near-ink"], theme["tint"]) >= 4.5
    assert contrast(theme["ink"], theme["tint"]) >= 4.5


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_parts_of_a_stack_can_be_told_apart(theme, sight):
    """CIE76 distance; 2.3 is just noticeable."""
    seen = [lab(np.array(SIGHT[sight]) @ linear(theme[f"g{number}"])) for number in range(1, 8)]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 18
    assert min(np.linalg.norm(one - other) for one, other in pairwise(seen)) > 21
