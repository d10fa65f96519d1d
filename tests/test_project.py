"""House rules that no single room can keep: names, exports, sizes, files, and documents that run."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import groundplan
from groundplan.units import DIMENSIONLESS, unit_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "groundplan"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

# Plain counts and sizes of a network's shape, in the terms of its configuration file.
SHAPE_NAMES = {
    *("layers", "dense_layers", "global_layers", "hidden", "cross_hidden", "ffn", "moe_ffn", "vocab"),
    *("heads", "kv_heads", "head_dim", "nope_dim", "rope_dim", "v_dim", "q_lora_rank", "kv_lora_rank"),
    *("experts", "experts_active", "experts_shared", "action_dim", "moe_latent", "attention_layers", "ffn_layers"),
    *("mtp_layers", "key_heads", "state_dim", "conv_kernel", "index_heads", "index_dim", "index_layers"),
}
# Months of the calendar, a plain count, and parameters in billions as model cards state them.
OTHER_NAMES = {"season", "ratchet_season", "cameras_per_robot", "params_active_b", "params_total_b"}
# What may follow a unit: which value of it, or per what.
QUALIFIER = re.compile(r"_(?:low|high|peak|mean|min|max)$|_(?:per|by)_\w+$")


# --- names carry units ---------------------------------------------------------------------------------


def _models(*rooms: str) -> list[type[BaseModel]]:
    """Return every pydantic model that is defined in the given rooms."""
    for room in rooms:
        package = importlib.import_module(f"groundplan.{room}")
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    prefixes = tuple(f"groundplan.{room}." for room in rooms)
    return sorted(
        (model for model in _subclasses(BaseModel) if f"{model.__module__}.".startswith(prefixes)),
        key=lambda model: f"{model.__module__}.{model.__qualname__}",
    )


def _subclasses(base: type) -> set[type]:
    below = set(base.__subclasses__())
    return below.union(*(_subclasses(child) for child in below))


def _is_numeric(annotation: Any) -> bool:
    """Tell whether an annotation holds a number anywhere inside (Optional, Annotated, list, dict ...)."""
    if annotation in (int, float, Decimal):
        return True
    return any(_is_numeric(part) for part in get_args(annotation))


def _names_its_unit(name: str) -> bool:
    tails = "|".join(map(re.escape, DIMENSIONLESS))
    whole_or_stem = (name, QUALIFIER.sub("", name))
    return any(unit_of(part) or re.search(rf"(^|_)({tails})$", part) for part in whole_or_stem)


def _unit_faults(models: list[type[BaseModel]]) -> list[str]:
    known = SHAPE_NAMES | OTHER_NAMES
    return [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if _is_numeric(field.annotation) and name not in known and not _names_its_unit(name)
    ]


def test_numeric_fields_name_their_unit() -> None:
    rooms = [room for room in ("spec", "catalog") if room in ROOMS]
    faults = _unit_faults(_models(*rooms))
    assert faults == [], "end the field name in a unit or a dimensionless tail of groundplan.units"


def test_a_number_without_a_unit_is_found() -> None:
    class Sample(BaseModel):
        power: float | None
        power_kw: float
        power_kw_peak: float
        power_peak: float
        upload_kb_per_unit: float
        upload_per_unit: float
        steps: list[int]
        load_by_hour: dict[str, tuple[float, ...]]
        heat: dict[str, float]
        name: str
        firm: bool

    found = [fault.removeprefix("Sample.") for fault in _unit_faults([Sample])]
    assert found == ["power", "power_peak", "upload_per_unit", "heat"]


# --- rooms export what they say ------------------------------------------------------------------------


def _loaded(module: ast.Module) -> list[ast.stmt]:
    """Statements that give names: those under TYPE_CHECKING serve annotations only, unless `__getattr__` loads them."""
    later = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.body)
    blocks = [node for node in module.body if isinstance(node, ast.If)] if later else []
    return [*module.body, *(node for block in blocks for node in block.body)]


def _exports(module: ast.Module) -> set[str]:
    """Return the public names that a room's __init__ defines or takes from groundplan."""
    names: set[str] = set()
    for node in _loaded(module):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("groundplan")):
            names.update(alias.asname or alias.name for alias in node.names)
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("room", ROOMS)
def test_room_exports_are_complete(room: str) -> None:
    """Their order is ruff's business (RUF022)."""
    module = importlib.import_module(f"groundplan.{room}")
    listed = list(getattr(module, "__all__", ()))
    assert len(listed) == len(set(listed))
    assert set(listed) == _exports(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
    assert [name for name in listed if not hasattr(module, name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_use_each_other_through_the_front_door(room: str) -> None:
    private = re.compile(r"groundplan\.(\w+)\._\w+")
    faults = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for match in private.finditer(path.read_text(encoding="utf-8"))
        if match.group(1) != room
    ]
    assert faults == []


# --- sizes ---------------------------------------------------------------------------------------------


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield (place, lines without the docstring) of each function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                first = node.body[0]
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_functions_are_small() -> None:
    lengths = dict(entry for path in SOURCES for entry in _functions(path))
    assert {place: lines for place, lines in lengths.items() if lines > 60} == {}
    assert statistics.median(lengths.values()) <= 12


def test_files_are_small() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): path.read_bytes().count(b"\n") for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines >= 500} == {}


# --- files of the repository ---------------------------------------------------------------------------


def _repository_files() -> list[Path]:
    """Return the files that git tracks or would track; skip outside a clone."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = (ROOT / name for name in listing.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_machine_path_or_a_registry() -> None:
    forbidden = re.compile(rb"(?<![\w.*-])/(?:work|root|tmp|home)/\w|\b(?:pypi|pythonhosted|npmjs)\.org\b")
    faults = [
        f"{path.relative_to(ROOT)}: {match.group(0).decode()}"
        for path in _repository_files()
        for match in forbidden.finditer(path.read_bytes())
    ]
    assert faults == []


def test_one_lock_file_hashed_and_free_of_hosts() -> None:
    others = {"uv.lock", "poetry.lock", "Pipfile.lock"}
    assert [path.name for path in _repository_files() if path.name in others] == []
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-", text.replace("    --hash=", ""), flags=re.MULTILINE)
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [pin.split()[0] for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


# --- documents that run --------------------------------------------------------------------------------


def _commands(text: str) -> list[tuple[list[str], int]]:
    """Return (arguments, expected exit code) of each ``$ groundplan`` line in the console blocks.

    A line ending in ``# exit 3`` states another code than 0; a trailing backslash goes on in the next line.
    """
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        if line.startswith("$ groundplan"):
            stated = re.search(r"# exit (\d+)\s*$", line)
            found.append((shlex.split(line[2:], comments=True)[1:], int(stated.group(1)) if stated else 0))
    return found


def _groundplan(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, in a process of its own."""
    program = [sys.executable, "-c", "from groundplan.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_console_blocks_are_read() -> None:
    text = "```console\n$ groundplan check a.yaml \\\n  --json  # exit 3\nsaid\n$ ls\n```\n$ groundplan no\n"
    assert _commands(text) == [(["check", "a.yaml", "--json"], 3)]


def test_readme_shows_commands() -> None:
    assert _commands((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if _commands(path.read_text(encoding="utf-8"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_commands_of_documents_run(document: Path, tmp_path: Path) -> None:
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for arguments, expected in _commands(document.read_text(encoding="utf-8")):
        done = _groundplan(arguments, tmp_path)
        assert done.returncode == expected, f"{shlex.join(arguments)}\n{done.stdout}\n{done.stderr}"


def test_help_names_the_commands(tmp_path: Path) -> None:
    done = _groundplan(["--help"], tmp_path)
    assert done.returncode == 0, done.stderr
    commands = ("demo", "init", "check", "plan", "verify", "estimate", "schema")
    assert [command for command in commands if command not in done.stdout] == []


def test_version_is_stated_once() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(groundplan.__version__)}\b", text, flags=re.MULTILINE)
