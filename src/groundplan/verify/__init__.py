"""Verify: a plan judged again, by code that shares nothing with what made it."""

from groundplan.verify._verify import FAMILIES, Report, check, evaluated_usd, ledger, verify

__all__ = ["FAMILIES", "Report", "check", "evaluated_usd", "ledger", "verify"]
