"""The plan as one self-contained HTML page (no script, no network, light and dark, phone and paper) and as a typeset
paper; what to sign and to buy as tables and as a calendar.
"""

from groundplan.report._action_files import ACTION_COLUMNS, actions_csv, actions_ics
from groundplan.report._actions import actions
from groundplan.report._bill import BillRow, bill, bom_csv
from groundplan.report._desk import Action
from groundplan.report._facts import Facts
from groundplan.report._page import render
from groundplan.report._paper import PaperError, need_typst, paper
from groundplan.report._tables import FILES, files

__all__ = [
    "ACTION_COLUMNS",
    "FILES",
    "Action",
    "BillRow",
    "Facts",
    "PaperError",
    "actions",
    "actions_csv",
    "actions_ics",
    "bill",
    "bom_csv",
    "files",
    "need_typst",
    "paper",
    "render",
]
