"""Study: what needs more than one solve. Alternatives, flip prices, why not there, what the next million buys."""

from groundplan.study._base import Base, Planned
from groundplan.study._compare import Compared, compare
from groundplan.study._diagnose import diagnose
from groundplan.study._figures import exposed, months_to_full_service, most_fte, uplinks
from groundplan.study._ladder import NOTHING, Ladder, Laddered, Rung, ServedShare, YearMoney, fund, percent
from groundplan.study._price import price
from groundplan.study._price_bench import SpeedCache
from groundplan.study._price_break import BreakEven
from groundplan.study._price_types import PriceAnswer, PriceQuestion, PriceRow, PriceVerdict
from groundplan.study._types import Alternative, Comparison, Flip, Priced, Stay, Uplink, Verdict
from groundplan.study._why import Refused, Why, why

__all__ = [
    "NOTHING",
    "Alternative",
    "Base",
    "BreakEven",
    "Compared",
    "Comparison",
    "Flip",
    "Ladder",
    "Laddered",
    "Planned",
    "PriceAnswer",
    "PriceQuestion",
    "PriceRow",
    "PriceVerdict",
    "Priced",
    "Refused",
    "Rung",
    "ServedShare",
    "SpeedCache",
    "Stay",
    "Uplink",
    "Verdict",
    "Why",
    "YearMoney",
    "compare",
    "diagnose",
    "exposed",
    "fund",
    "months_to_full_service",
    "most_fte",
    "percent",
    "price",
    "uplinks",
    "why",
]
