"""Study: what needs more than one solve. Alternatives, flip prices, why not there, what the next million buys."""

from groundplan.study._base import Base, Planned
from groundplan.study._compare import Compared, compare
from groundplan.study._types import Alternative, Comparison, Flip, Priced, Stay, Uplink, Verdict

__all__ = [
    "Alternative",
    "Base",
    "Compared",
    "Comparison",
    "Flip",
    "Planned",
    "Priced",
    "Stay",
    "Uplink",
    "Verdict",
    "compare",
]
