"""The planning problem as tables: what may run where, at what speed, and what everything costs."""

from groundplan.problem._build import build, build_from_tables, most_replicas, rules_of
from groundplan.problem._calendar import Calendar, calendar_of
from groundplan.problem._check import Uncovered, stocked
from groundplan.problem._conflict import (
    Change,
    Conflict,
    Diagnosis,
    Limit,
    Reason,
    Relaxation,
    Way,
    applied,
    rounded_down,
    rounded_up,
)
from groundplan.problem._demand import Commodity, Job, Window, commodities, jobs
from groundplan.problem._figures import first_day
from groundplan.problem._goal import Goal, Goals, all_optional, asked, goals_of, granted
from groundplan.problem._loosen import first_arrival, roomy, unmetered, with_lead
from groundplan.problem._moves import Transfer
from groundplan.problem._network import link_between, network_ms
from groundplan.problem._pools import Pool, Rental, spare_nodes
from groundplan.problem._problem import BatchCell, Cell, PowerSite, Problem, TokenCell
from groundplan.problem._rebuild import rebuilt
from groundplan.problem._restrict import Choice, Floor, restricted
from groundplan.problem._speeds import latency_room, planned

__all__ = [
    "BatchCell",
    "Calendar",
    "Cell",
    "Change",
    "Choice",
    "Commodity",
    "Conflict",
    "Diagnosis",
    "Floor",
    "Goal",
    "Goals",
    "Job",
    "Limit",
    "Pool",
    "PowerSite",
    "Problem",
    "Reason",
    "Relaxation",
    "Rental",
    "TokenCell",
    "Transfer",
    "Uncovered",
    "Way",
    "Window",
    "all_optional",
    "applied",
    "asked",
    "build",
    "build_from_tables",
    "calendar_of",
    "commodities",
    "first_arrival",
    "first_day",
    "goals_of",
    "granted",
    "jobs",
    "latency_room",
    "link_between",
    "most_replicas",
    "network_ms",
    "planned",
    "rebuilt",
    "restricted",
    "roomy",
    "rounded_down",
    "rounded_up",
    "rules_of",
    "spare_nodes",
    "stocked",
    "unmetered",
    "with_lead",
]
