"""The folder of results: refused before any solve when it cannot be written, and written all or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from groundplan.errors import GroundplanError, Issue


class OutputError(GroundplanError):
    """A place that cannot be written."""


def check_folder(folder: Path) -> None:
    """Raise OutputError unless files can be made in the folder, or in the nearest parent that exists."""
    try:
        if folder.exists() and not folder.is_dir():
            _refuse(folder, "is a file, not a folder", "give another --out")
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not parent.is_dir():
            _refuse(folder, f"{parent} is a file, not a folder", "give another --out")
        with tempfile.TemporaryFile(dir=parent):
            pass
    except (OSError, ValueError) as error:
        _refuse(folder, f"cannot be written: {_reason(error)}", "give a folder that is yours")


def check_file(path: Path) -> None:
    """Raise OutputError unless the file can be written."""
    if path.is_dir():
        _refuse(path, "is a folder, not a file", "give a file name")
    check_folder(path.parent)


def write_files(folder: Path, texts: Mapping[str, str | bytes]) -> None:
    """Write several files so that each is its earlier self or the whole new one; none is touched when one fails."""
    made: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            made[name] = _temporary(folder, name, text)
        for name in texts:
            os.replace(made.pop(name), folder / name)
    except (OSError, ValueError) as error:
        _refuse(folder, f"cannot be written: {_reason(error)}", "give a folder that is yours")
    finally:
        for leftover in made.values():
            Path(leftover).unlink(missing_ok=True)


def wrote(folder: Path, names: Sequence[str]) -> str:
    """``wrote a, b and c``, for people."""
    *most, last = (str(folder / name) for name in names)
    return f"wrote {', '.join(most)} and {last}" if most else f"wrote {last}"


def write_file(path: Path, text: str) -> None:
    """Write one file, all or nothing."""
    write_files(path.parent, {path.name: text})


def _temporary(folder: Path, name: str, text: str | bytes) -> str:
    handle, path = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".part")
    target = folder / name
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(path).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    return path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _refuse(where: Path, what: str, hint: str) -> NoReturn:
    raise OutputError(Issue("output", str(where), what, hint))
