"""A value of a result file that knows where it stands, so that whatever is wrong with it names the place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from groundplan.errors import GroundplanError, Issue

MOST = 1e12
"""No figure of a benchmark is larger."""


class ResultError(GroundplanError):
    """A benchmark result that cannot be read, or that cannot be an anchor."""


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value, its file and its path in it."""

    value: Any
    file: str
    path: str = ""

    @property
    def where(self) -> str:
        """``file: path``."""
        return f"{self.file}: {self.path}" if self.path else self.file

    def refuse(self, what: str, hint: str) -> NoReturn:
        """Raise ResultError at this place."""
        raise ResultError(Issue("benchmark-result", self.where, what, hint))

    def has(self, key: str) -> bool:
        """Whether this is an object that states the key."""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def __getitem__(self, key: str) -> Node:
        if not self.has(key):
            self.refuse(f"states no {key}", "give the file as the tool wrote it, of a run that streams tokens")
        return Node(self.value[key], self.file, f"{self.path}.{key}".lstrip("."))

    def at(self, *keys: str) -> Node:
        """The value down this way."""
        node = self
        for key in keys:
            node = node[key]
        return node

    def find(self, *keys: str) -> Node | None:
        """The value down this way; None where a step is missing."""
        node = self
        for key in keys:
            if not node.has(key):
                return None
            node = node[key]
        return node

    def items(self) -> Iterator[Node]:
        """The members of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            self.refuse("is no list of runs", "give the file as the tool wrote it")
        yield from (Node(item, self.file, f"{self.path}[{index}]") for index, item in enumerate(self.value))

    def number(self, least: float = 0.0) -> float:
        """A finite number above `least`."""
        found = self.value
        if isinstance(found, bool) or not isinstance(found, int | float):
            self.refuse(f"{found!r} is no number", "give the file as the tool wrote it")
        if not least < found < MOST:
            what = f"is {str(found)[:24]}, must be above {least:g} and below {MOST:g}"
            self.refuse(what, "an anchor needs a run with output")
        return float(found)

    def count(self) -> float:
        """A number of things, 0 allowed."""
        return 0.0 if self.value == 0 and not isinstance(self.value, bool) else self.number()

    def text(self) -> str:
        """A text."""
        if not isinstance(self.value, str):
            self.refuse(f"{self.value!r} is no text", "give the file as the tool wrote it")
        return self.value
