"""The factory file: what a user says about sites, workloads, law, money and dates."""

from groundplan.spec._source import Source, SourceKind

__all__ = ["Source", "SourceKind"]
