"""Numbers and names as a reader sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import floor, isfinite, log10

SPACE = "\N{NO-BREAK SPACE}"
SCALES = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def figure(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, with thousands commas and a true minus; zero is 0."""
    if not isfinite(value):
        raise ValueError(f"{value} cannot be shown")
    if value == 0:
        return "0"
    magnitude = floor(log10(abs(value)))
    rounded = round(value, digits - 1 - magnitude)
    decimals = max(0, digits - 1 - floor(log10(abs(rounded))))
    return minus(f"{rounded:,.{decimals}f}")


def whole(value: float) -> str:
    """A whole number with thousands commas."""
    return minus(f"{value:,.0f}")


def fixed(value: float, decimals: int) -> str:
    """The same decimals down a column; a zero as 0, whatever its sign."""
    if value == 0:
        return "0"
    shown = f"{value:,.{decimals}f}"
    return minus(shown.lstrip("-") if float(shown.replace(",", "")) == 0 else shown)


def percent(share: float, decimals: int = 0) -> str:
    """A share with a space before its sign."""
    return minus(f"{100 * share:,.{decimals}f}{SPACE}%")


def minus(shown: str) -> str:
    """The typographic minus."""
    return shown.replace("-", "−")


def count(number: float, one: str, many: str = "") -> str:
    """``1 node`` or ``3 nodes``."""
    return f"{whole(number)}{SPACE}{one if number == 1 else many or one + 's'}"


def month_name(month: str) -> str:
    """``2027-03`` as ``Mar 2027``."""
    return f"{MONTHS[int(month[5:]) - 1]}{SPACE}{month[:4]}"


def day_words(day: date) -> str:
    """``29 Jan 2027``."""
    return f"{day.day}{SPACE}{MONTHS[day.month - 1]}{SPACE}{day.year}"


def sentence_list(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = list(words)
    return f"{', '.join(most)} and {last}" if most else last


def span(low: str, high: str) -> str:
    """``3–5 %``: an interval, its unit once; one value where both are shown alike."""
    if low == high:
        return low
    shared = SPACE + low.rpartition(SPACE)[2]
    return f"{low.removesuffix(shared)}–{high}" if SPACE in low and high.endswith(shared) else f"{low}–{high}"


@dataclass(frozen=True, slots=True)
class Money:
    """US dollars shown in the report currency at one stated rate."""

    currency: str
    per_usd: float

    def short(self, usd: float) -> str:
        """``KRW 7.68 bn``, three significant digits."""
        value = usd * self.per_usd
        size, unit = next(((s, u) for s, u in SCALES if abs(value) >= s), (1.0, ""))
        return f"{self.currency}{SPACE}{figure(value / size)}" + (f"{SPACE}{unit}" if unit else "")

    def span(self, low_usd: float, high_usd: float) -> str:
        """``KRW 593–797 m``: one unit for both ends, three significant digits of the larger."""
        column = self.column([low_usd, high_usd], least=1.0)
        currency, _, unit = column.unit.partition(SPACE)
        low, high = (column.value(usd) for usd in (low_usd, high_usd))
        ends = (figure(value) if abs(value) >= 1 else fixed(value, 2) for value in (low, high))
        return f"{currency}{SPACE}{span(*ends)}" + (f"{SPACE}{unit}" if unit else "")

    def column(self, usd: Iterable[float], least: float = 1.0) -> Column:
        """One unit for a whole table: the largest in which its largest entry is at least `least`."""
        largest = max((abs(value) for value in usd), default=0.0) * self.per_usd
        size, unit = next(((s, u) for s, u in SCALES if largest >= least * s), (1.0, ""))
        decimals = 0 if not unit or largest / size >= 1000 else 1 if largest / size >= 10 else 2
        return Column(f"{self.currency}{SPACE}{unit}".strip(), size / self.per_usd, decimals)


@dataclass(frozen=True, slots=True)
class Column:
    """How the money of one table is written."""

    unit: str
    usd_per_unit: float
    decimals: int

    def show(self, usd: float) -> str:
        """Without the unit, which stands in the caption; what rounds to nothing but is not, says so."""
        value = usd / self.usd_per_unit
        tiny = 0.5 * 10**-self.decimals
        return f"{'−' if value < 0 else ''}<{2 * tiny:g}" if 0 < abs(value) < tiny else fixed(value, self.decimals)

    def value(self, usd: float) -> float:
        """For charts."""
        return usd / self.usd_per_unit
