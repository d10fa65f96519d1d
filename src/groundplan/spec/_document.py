"""YAML text to plain values with the line of each, in one pass over the parser's events.

Nothing is built that a hostile file could blow up: depth, size and the expansion of aliases are bounded
before values exist, tags are refused, and a key that stands twice is a fault, not a silent overwrite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from groundplan.errors import Issue, SpecError

Path = tuple[str | int, ...]
Scalar = None | bool | int | float | str
Value = Scalar | list["Value"] | dict[str, "Value"]

MAX_BYTES = 5_000_000
MAX_DEPTH = 24
MAX_ALIAS_NODES = 10_000
MAX_DIGITS = 300


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Document:
    """The content of a file or of a merged folder: `places` has an entry for each path of `data`.

    `issues` are faults that leave the rest readable, such as a key that stands twice.
    """

    data: dict[str, Value]
    places: dict[Path, Place]
    issues: list[Issue]

    def place(self, path: Path) -> Place:
        """Of the path, or of its nearest ancestor that stands in the file."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


def read_document(raw: bytes, file: str) -> Document:
    """Parse one file; SpecError for anything that is not a small, plain YAML mapping."""
    reader = _Reader(file)
    root = reader.read(_text(raw, file))
    if not isinstance(root.value, dict):
        what = f"the file holds {_kind(root.value)}, not a mapping"
        raise SpecError(Issue("not-a-mapping", f"{file}:{root.line}", what, "start with `groundplan: 1`"))
    places: dict[Path, Place] = {(): Place(file, root.line)}
    data = {key: _plain(node, (key,), file, places) for key, node in root.value.items()}
    return Document(data, places, reader.issues)


def _text(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        what = f"the file has {len(raw):,} bytes, more than {MAX_BYTES:,}"
        raise SpecError(Issue("too-large", f"{file}:1", what, "split it, or check that it is a factory file"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = "not a text file: it cannot be read as UTF-8"
        raise SpecError(Issue("binary", f"{file}:{line}", what, "save the file as UTF-8")) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        what = "not a text file: it holds zero bytes"
        raise SpecError(Issue("binary", f"{file}:{line}", what, "give a YAML file"))
    return text


@dataclass(slots=True)
class _Node:
    """A parsed value and its line; `size` counts the nodes below it with aliases expanded."""

    value: Scalar | list[_Node] | dict[str, _Node]
    line: int
    size: int = 1


@dataclass(slots=True)
class _Open:
    """A collection that is still being read."""

    node: _Node
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    lines: dict[str, int] = field(default_factory=dict)


class _Reader:
    """Builds nodes from events with a stack of its own, so that nesting cannot exhaust Python's."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.issues: list[Issue] = []
        self._yaml = YAML(typ="safe", pure=True)
        self._anchors: dict[str, _Node | None] = {}
        self._stack: list[_Open] = []
        self._alias_nodes = 0

    def read(self, text: str) -> _Node:
        """The root node; SpecError where the text is no YAML or goes beyond the limits."""
        root: _Node | None = None
        for event in self._events(text):
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise self._fault(event, "syntax", "a second YAML document", "keep one document per file")
            if (node := self._node(event)) is not None:
                if self._stack:
                    self._add(node)
                else:
                    root = node
        if root is None or root.value is None:
            hint = "write one with `groundplan init`"
            raise SpecError(Issue("empty", f"{self.file}:1", "the file is empty", hint))
        return root

    def _events(self, text: str) -> Iterator[Event]:
        try:
            yield from self._yaml.parse(text)
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            what = f"not a text file: it holds the character {error.character!r}"
            raise SpecError(Issue("binary", f"{self.file}:{line}", what, "give a YAML file")) from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            what = f"not valid YAML: {error.problem or error.context}"
            raise SpecError(Issue("syntax", f"{self.file}:{line}", what, _syntax_hint(text, line))) from None
        except (YAMLError, ValueError, IndexError, AttributeError, TypeError) as error:
            what = f"not valid YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            raise SpecError(Issue("syntax", f"{self.file}:1", what, _syntax_hint(text, 1))) from None

    def _node(self, event: Event) -> _Node | None:
        """The finished node of an event: a scalar, an alias, or a collection that ends here."""
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(event)
            return None
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            return self._close()
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        return None

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        self._refuse_tag(event)
        if len(self._stack) >= MAX_DEPTH:
            raise self._fault(event, "too-deep", f"nested more than {MAX_DEPTH} levels deep", "flatten it")
        if event.anchor:
            self._anchors[event.anchor] = None
        value: dict[str, _Node] | list[_Node] = {} if isinstance(event, MappingStartEvent) else []
        self._stack.append(_Open(_Node(value, _line(event)), event.anchor))

    def _close(self) -> _Node:
        top = self._stack.pop()
        if top.anchor:
            self._anchors[top.anchor] = top.node
        return top.node

    def _alias(self, event: AliasEvent) -> _Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._fault(event, "syntax", f"alias *{event.anchor} names nothing before it", "repeat it")
        self._alias_nodes += node.size
        if self._alias_nodes > MAX_ALIAS_NODES:
            what = f"aliases stand for more than {MAX_ALIAS_NODES:,} values"
            raise self._fault(event, "alias-bomb", what, "write the values out")
        return _Node(node.value, _line(event), node.size)

    def _scalar(self, event: ScalarEvent) -> _Node:
        self._refuse_tag(event)
        node = _Node(self._scalar_value(event), _line(event))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar_value(self, event: ScalarEvent) -> Scalar:
        top = self._stack[-1] if self._stack else None
        is_key = top is not None and isinstance(top.node.value, dict) and top.key is None
        if is_key or event.style is not None:
            return event.value
        tag = str(self._yaml.resolver.resolve(ScalarNode, event.value, (True, False)))
        return self._typed(event, tag.rsplit(":", 1)[-1])

    def _typed(self, event: ScalarEvent, tag: str) -> Scalar:
        text = event.value.replace("_", "")
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() == "true"
        if tag in ("int", "float") and len(text) > MAX_DIGITS:
            raise self._fault(event, "wrong-type", "a number of absurd length", "write a plain number")
        if tag == "int":
            sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
            base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2].lower(), 10)
            return sign * int(digits[2:] if base != 10 else digits, base)
        if tag == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return event.value  # text; dates stay text and are read by the types

    def _add(self, node: _Node) -> None:
        top = self._stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
            top.node.size += node.size
        elif top.key is None:
            self._key(top, node)
        elif isinstance(top.node.value, dict):
            if top.key not in top.lines:
                top.node.value[top.key] = _Node(node.value, top.key_line, node.size)
                top.node.size += node.size
                top.lines[top.key] = top.key_line
            top.key = None

    def _key(self, top: _Open, node: _Node) -> None:
        if not isinstance(node.value, str):
            what = "a key must be a plain name"
            raise SpecError(Issue("syntax", f"{self.file}:{node.line}", what, "write `name: value`"))
        if (first := top.lines.get(node.value)) is not None:
            what = f"key {node.value!r} stands twice here, first in line {first}"
            hint = "keep one of them"
            self.issues.append(Issue("duplicate-key", f"{self.file}:{node.line}", what, hint))
        top.key, top.key_line = node.value, node.line

    def _refuse_tag(self, event: NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("None", "!"):
            raise self._fault(event, "syntax", f"YAML tag {tag} is not allowed", "remove the tag")

    def _fault(self, event: Event, code: str, what: str, hint: str) -> SpecError:
        return SpecError(Issue(code, f"{self.file}:{_line(event)}", what, hint))


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _plain(node: _Node, path: Path, file: str, places: dict[Path, Place]) -> Value:
    places[path] = Place(file, node.line)
    if isinstance(node.value, dict):
        return {key: _plain(child, (*path, key), file, places) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child, (*path, i), file, places) for i, child in enumerate(node.value)]
    return node.value


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"the single value {str(value)[:40]!r}"


def _syntax_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    near = lines[max(0, line - 2) : line]
    if any("\t" in shown[: len(shown) - len(shown.lstrip())] for shown in near):
        return "indent with blanks, not tabs"
    return "check indentation, quotes and colons in this line and the one before"
