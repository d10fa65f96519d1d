"""The action calendar as files: a table for spreadsheets, and an iCalendar for everybody's diary (RFC 5545)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from hashlib import sha256

from groundplan.plan import content_hash
from groundplan.report._desk import Action
from groundplan.report._facts import Facts
from groundplan.report._words import SPACE

ACTION_COLUMNS = (
    "id", "kind", "action", "site", "item", "quantity", "unit", "planned_date", "last_safe_date", "float_days",
    "can_wait", "ready_date", "lead_months", "amount_usd", "amount_report_currency", "report_currency", "due_now_usd",
    "cost_line", "consequence", "notice", "depends_on",
)  # fmt: skip
FOLD_OCTETS = 75
ALARM_DAYS = 14


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated values (RFC 4180) with a line feed at the end of each line. Blank stands for not applicable.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, 6) + 0.0:.15g}"
    shown = str(value).replace(SPACE, " ")
    return f"'{shown}" if isinstance(value, str) and shown.startswith(("=", "+", "-", "@", "\t", "\r")) else shown


def actions_csv(actions: Iterable[Action]) -> str:
    """The action calendar; `ACTION_COLUMNS` are part of the interface."""
    return table_text(ACTION_COLUMNS, (_row(action) for action in actions))


def _row(action: Action) -> list[object]:
    return [
        action.id, action.kind, action.what, action.site, action.item, action.quantity, action.unit, action.planned,
        action.last_safe, action.float_days, action.can_wait, action.ready, action.lead_months,
        round(action.amount_usd, 2), round(action.amount_local, 2), action.currency, round(action.due_now_usd, 2),
        action.cost_line, action.consequence, action.notice, " ".join(action.depends_on),
    ]  # fmt: skip


def actions_ics(facts: Facts, actions: Iterable[Action]) -> str:
    """The last safe dates as all-day events with an alarm two weeks before. Equal plans give equal bytes."""
    plan_hash = content_hash(facts.plan)
    year, month = facts.calendar(0)
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//groundplan//action calendar//EN", "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH", f"X-WR-CALNAME:{_escaped(facts.factory.title + ': what to sign by when')}",
    ]  # fmt: skip
    for action in actions:
        lines += _event(action, plan_hash, f"{date(year, month, 1):%Y%m%d}T000000Z")
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _event(action: Action, plan_hash: str, stamp: str) -> list[str]:
    uid = sha256(f"{plan_hash} {action.id}".encode()).hexdigest()[:32]
    days = f"{action.last_safe:%Y%m%d}", f"{action.last_safe + timedelta(days=1):%Y%m%d}"
    return [
        "BEGIN:VEVENT", f"UID:{uid}@groundplan", f"DTSTAMP:{stamp}", f"DTSTART;VALUE=DATE:{days[0]}",
        f"DTEND;VALUE=DATE:{days[1]}", f"SUMMARY:{_escaped('Last safe day: ' + action.what)}",
        f"DESCRIPTION:{_escaped(_described(action))}", f"CATEGORIES:{_escaped(action.kind)}", "TRANSP:TRANSPARENT",
        "BEGIN:VALARM", "ACTION:DISPLAY", f"TRIGGER:-P{ALARM_DAYS}D",
        f"DESCRIPTION:{_escaped(action.what)}", "END:VALARM", "END:VEVENT",
    ]  # fmt: skip


def _described(action: Action) -> str:
    parts = [f"Planned {action.planned}, last safe {action.last_safe}, float {action.float_days} days."]
    parts += [f"If missed: {action.consequence}"] if action.consequence else []
    if action.amount_usd:
        amount = f"{action.currency} {action.amount_local:,.0f}"
        parts.append(f"Amount {amount}, cost line {action.cost_line.replace('_', ' ')}.")
    parts += [f"{action.notice[0].upper()}{action.notice[1:]}."] if action.notice else []
    parts += [f"Depends on {', '.join(action.depends_on)}."] if action.depends_on else []
    return "\n".join(parts)


def _escaped(text: str) -> str:
    """TEXT of RFC 5545, section 3.3.11; other control characters go."""
    text = text.replace(SPACE, " ").replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")
    return "".join(
        character for character in text if character == "\t" or (ord(character) >= 32 and ord(character) != 127)
    )


def _folded(line: str) -> str:
    """Lines of at most 75 octets, cut between characters; what follows begins with a space (section 3.1)."""
    parts, size = [""], 0
    for character in line:
        octets = len(character.encode())
        if size + octets > FOLD_OCTETS:
            parts, size = [*parts, " "], 1
        parts[-1] += character
        size += octets
    return "\r\n".join(parts)
