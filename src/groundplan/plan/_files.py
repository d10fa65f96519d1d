"""Plan files: canonical JSON with a hash of the content, written all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from groundplan.errors import Issue, PlanFileError
from groundplan.plan._plan import Plan

HASH_KEY = "content_hash"
FORMAT = "groundplan-plan-1"
REMAKE = "make the plan again with `groundplan plan`"


def content_hash(plan: Plan) -> str:
    """SHA-256 (hex) of the canonical text of a plan without the hash itself."""
    return _digest(plan.model_dump(mode="json"))


def plan_text(plan: Plan) -> str:
    """Canonical JSON: sorted keys, shortest floats that read back as they were, one row per line."""
    content = plan.model_dump(mode="json")
    return _canonical({**content, HASH_KEY: _digest(content)})


def write_plan(plan: Plan, path: Path | str) -> None:
    """Write a plan file in one step: readers see the earlier file or the whole new one, never a part.

    Raises PlanFileError where the folder cannot be written; the earlier file is then untouched.
    """
    target = Path(path)
    data = plan_text(plan).encode("utf-8")
    try:
        _replace(target, data)
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        _refuse(target, what, "give a folder that exists and is yours")


def read_plan(path: Path | str) -> Plan:
    """Read a plan file; PlanFileError when it is missing, damaged, of another format, or edited by hand."""
    source = Path(path)
    content = _parse(source, _text(source))
    if content.get("format") != FORMAT:
        what = f"format is {content.get('format')!r}, not {FORMAT!r}"
        _refuse(source, what, "this version reads plans of that format only; " + REMAKE)
    stated = content.pop(HASH_KEY, None)
    plan = _validated(source, content)
    if stated != (found := content_hash(plan)):
        what = f"content_hash is {stated!r}, but the content hashes to {found!r}"
        _refuse(source, what, "the file was changed after it was written; " + REMAKE)
    return plan


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode("utf-8")).hexdigest()


def _canonical(content: dict[str, Any]) -> str:
    entries = ",\n".join(f"{_compact(key)}: {_block(content[key])}" for key in sorted(content))
    return "{\n" + entries + "\n}\n"


def _block(value: Any) -> str:
    """Lists of rows and tables with one entry per line, so that a diff names the rows that moved."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(_compact(row) for row in value) + "\n]"
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"{_compact(key)}: {_compact(value[key])}" for key in sorted(value)) + "\n}"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _text(source: Path) -> str:
    try:
        return source.read_bytes().decode("utf-8")
    except FileNotFoundError:
        _refuse(source, "no such file", "give the path of a plan.json that `groundplan plan` wrote")
    except OSError as error:
        _refuse(source, f"cannot be read: {error.strerror or error}", "give a file that you may read")
    except UnicodeDecodeError as error:
        _refuse(source, f"not text (byte {error.start} is no UTF-8)", "give a plan.json, not a binary file")


def _parse(source: Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twice)
    except json.JSONDecodeError as error:
        _refuse(f"{source}:{error.lineno}", f"not JSON: {error.msg}", REMAKE)
    except (ValueError, RecursionError) as error:
        _refuse(source, str(error), REMAKE)
    if not isinstance(content, dict):
        _refuse(source, f"holds a {type(content).__name__}, not a plan", REMAKE)
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"holds {name}, which is no figure")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} stands twice in one row")
        found[key] = value
    return found


def _validated(source: Path, content: dict[str, Any]) -> Plan:
    try:
        # Text, not Python values: in JSON mode lists become tuples, yet a string never becomes a number.
        return Plan.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise PlanFileError(list(_faults(source, error))) from error


def _faults(source: Path, error: ValidationError) -> Iterator[Issue]:
    for fault in error.errors(include_url=False, include_context=False):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])
        yield Issue("plan-file", f"{source}: {place.lstrip('.')}", fault["msg"], REMAKE)


def _refuse(where: Path | str, what: str, hint: str) -> NoReturn:
    raise PlanFileError(Issue("plan-file", str(where), what, hint))
