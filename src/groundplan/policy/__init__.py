"""Policy: residency, operator and key control, export control: allowed or not, by which rule, why."""

from groundplan.policy._export import ExportClass, export, export_all, export_class
from groundplan.policy._residency import label_issues, residency, residency_all
from groundplan.policy._verdict import Verdict, as_of, stale_warning

__all__ = [
    "ExportClass",
    "Verdict",
    "as_of",
    "export",
    "export_all",
    "export_class",
    "label_issues",
    "residency",
    "residency_all",
    "stale_warning",
]
