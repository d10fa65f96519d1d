"""The plan as one self-contained HTML page: no script, no network, light and dark, phone and paper."""

from groundplan.report._page import render

__all__ = ["render"]
