"""Plan, twin and price AI factories on ground you control.

The pipeline as a library; each step loads its room when first asked for:

    import groundplan as gp
    from groundplan.verify import verify

    loaded, catalog = gp.load("factory.yaml"), gp.Catalog.default()
    plan = gp.solve(gp.build(loaded, catalog))
    page = gp.render(plan, loaded, catalog, verify(plan, loaded, catalog))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.catalog import Catalog
    from groundplan.optimize import solve
    from groundplan.plan import read_plan, write_plan
    from groundplan.problem import build
    from groundplan.report import render
    from groundplan.spec import load

__all__ = ["Catalog", "build", "load", "read_plan", "render", "solve", "write_plan"]
__version__ = "0.1.0"

_ROOM_OF = {
    "Catalog": "catalog",
    "build": "problem",
    "load": "spec",
    "read_plan": "plan",
    "render": "report",
    "solve": "optimize",
    "write_plan": "plan",
}


def __getattr__(name: str) -> Any:
    """The public function of a room, imported when first asked for."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'groundplan' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"groundplan.{_ROOM_OF[name]}"), name)
