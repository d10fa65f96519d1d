"""``init`` and ``schema``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from groundplan.cli._errors import print_json
from groundplan.cli._folder import OutputError, check_file, write_file
from groundplan.errors import Issue
from groundplan.spec import schema, starter


def write_starter(path: Path, *, force: bool) -> None:
    """Write the starter; OutputError where a file stands already."""
    target = path / "factory.yaml" if path.is_dir() else path
    check_file(target)
    if target.exists() and not force:
        raise OutputError(Issue("exists", str(target), "is there already", "--force replaces it"))
    write_file(target, starter())
    print(f"wrote {target}; next: groundplan check {target}", file=sys.stderr)


def export_schema(out: Path | None) -> None:
    """Print the JSON Schema, or write it to a file."""
    if out is None:
        print_json(schema())
        return
    check_file(out)
    write_file(out, json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
    print(f"wrote {out}", file=sys.stderr)
