"""Verify: a plan judged again, by code that shares nothing with what made it."""

from groundplan.verify._packing import least_bins
from groundplan.verify._verify import FAMILIES, Report, check, evaluated_usd, ledger, verify
from groundplan.verify._world import spare_nodes

__all__ = ["FAMILIES", "Report", "check", "evaluated_usd", "least_bins", "ledger", "spare_nodes", "verify"]
