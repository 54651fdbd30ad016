"""YAML from strangers: plain data with the place of every value, or a `SceneError`. Any thread.

What a scene file may hold is a subset of YAML 1.2 (core schema): mappings with text keys, sequences, and null, true,
false, decimal integers, finite decimal floats and text. So `no`, `on`, `0x10`, `1:30` and dates stay text. Refused:
aliases, anchors, merge keys, tags, duplicate keys, several documents, control characters, and anything above the
limits below. Documents are built from parser events with a stack of our own, so nesting cannot exhaust Python's, and
every limit holds before the memory is spent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from spatia.errors import SceneError

MAX_BYTES = 512 * 1024  # the slowest text of this size is refused within a second
MAX_NODES = 10_000
MAX_DEPTH = 24
MAX_TEXT = 100_000
MAX_DIGITS = 19  # of 63 bits, the widest integer field

Value = None | bool | int | float | str | list[Any] | dict[str, Any]
Location = tuple[str | int, ...]
Mark = tuple[int, int]  # line and column, from 1

_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data, and where in the text each value and each key stands."""

    data: Value
    values: Mapping[Location, Mark]
    keys: Mapping[Location, Mark]


def parse(text: bytes | str, *, name: str) -> Document:
    """The one document in `text`. Raises `SceneError` at ``name:line:col`` for anything outside the subset."""
    reader = _Reader(name)
    decoded = _decoded(text, name)
    try:
        for event in yaml.parse(decoded, Loader=yaml.SafeLoader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        fix = "look for a missing bracket, quote, colon or space there or on the line before"
        raise reader.error(f"not valid YAML: {problem}", mark, fix=fix) from error
    except yaml.reader.ReaderError as error:
        line = decoded.count("\n", 0, error.position) + 1
        problem = f"holds the control character U+{ord(decoded[error.position]):04X}"
        raise SceneError(problem, where=f"{name}:{line}", fix="remove it") from error
    except (ValueError, OverflowError, RecursionError) as error:  # such as "\UFFFFFFFF", which chr() refuses
        raise reader.error(f"not valid YAML: {error}", reader.last, fix="write that value in plain text") from error
    return reader.document()


def _decoded(text: bytes | str, name: str) -> str:
    if len(text) > MAX_BYTES:
        fix = "keep long camera paths in files of their own"
        raise SceneError(f"is {len(text):,} bytes long; at most {MAX_BYTES:,} are read", where=name, fix=fix)
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SceneError(
            f"is not UTF-8 text: byte 0x{text[error.start]:02x}", where=f"{name}:{line}", fix="save it as UTF-8"
        ) from error


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    data: list[Any] | dict[str, Any]
    location: Location
    key: str | None = None


@dataclass(slots=True)
class _Reader:
    """Builds data from events, one collection deep at a time."""

    name: str
    root: list[Value] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    values: dict[Location, Mark] = field(default_factory=dict)
    keys: dict[Location, Mark] = field(default_factory=dict)
    nodes: int = 0
    last: Any = None  # the mark of the last event, for errors that bring none

    def error(self, problem: str, mark: Any, *, fix: str = "") -> SceneError:
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark else self.name
        return SceneError(problem, where=where, fix=fix)

    def document(self) -> Document:
        if not self.root:
            raise SceneError("is empty", where=self.name, fix="start from a scene that is shipped")
        return Document(data=self.root[0], values=self.values, keys=self.keys)

    def take(self, event: yaml.Event) -> None:
        self.last = event.start_mark
        match event:
            case yaml.AliasEvent():
                raise self.error("aliases (*name) are not allowed", event.start_mark, fix="write the value out")
            case yaml.DocumentStartEvent() if self.root:
                raise self.error("holds a second document (---)", event.start_mark, fix="keep one scene a file")
            case yaml.ScalarEvent() | yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._node(event)
            case yaml.CollectionEndEvent():
                self.stack.pop()

    def _node(self, event: yaml.NodeEvent) -> None:
        mark: Any = event.start_mark
        if event.anchor:
            raise self.error("anchors (&name) are not allowed", mark, fix="write the value out where it is needed")
        if tag := getattr(event, "tag", None):
            raise self.error(f"tags are not allowed; found {str(tag)[:80]}", mark, fix="quote text, leave numbers bare")
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.error(f"holds more than {MAX_NODES:,} values", mark, fix="keep long paths in files of their own")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
            return
        if len(self.stack) >= MAX_DEPTH:
            raise self.error(f"is nested more than {MAX_DEPTH} deep", mark, fix="close the brackets before")
        data: list[Any] | dict[str, Any] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self.stack.append(_Open(data=data, location=self._put(data, mark)))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text, mark = event.value, self.last
        if len(text) > MAX_TEXT:
            raise self.error(f"text of {len(text):,} characters; at most {MAX_TEXT:,} are read", mark)
        if found := _CONTROL.search(text):
            raise self.error(f"holds the control character {found.group()!r}", mark, fix="remove it")
        place = self.stack[-1] if self.stack else None
        if place is not None and isinstance(place.data, dict) and place.key is None:
            self._key(place, event)
        else:
            self._put(text if event.style else self._plain(text, mark), mark)

    def _key(self, place: _Open, event: yaml.ScalarEvent) -> None:
        key, mark = event.value, self.last
        location = (*place.location, key)
        if not event.style and key == "<<":
            raise self.error("merge keys (<<) are not allowed", mark, fix="write the keys out")
        if not event.style and not isinstance(self._plain(key, mark), str):
            raise self.error(f"a key must be text; found {key[:40] or 'nothing'}", mark, fix="quote it")
        if location in self.keys:
            line, column = self.keys[location]
            problem = f"key {key[:80]!r} stands here and at {line}:{column}"
            raise self.error(problem, mark, fix="keep one of the two")
        self.keys[location] = (mark.line + 1, mark.column + 1)
        place.key = key

    def _put(self, value: Value, mark: Any) -> Location:
        """Into the collection that is open, or at the root."""
        location: Location = ()
        if not self.stack:
            self.root.append(value)
        else:
            place = self.stack[-1]
            if isinstance(place.data, list):
                location = (*place.location, len(place.data))
                place.data.append(value)
            elif place.key is None:
                raise self.error("a key must be text; found a collection", mark)
            else:
                location = (*place.location, place.key)
                place.data[place.key] = value
                place.key = None
        self.values[location] = (mark.line + 1, mark.column + 1)
        return location

    def _plain(self, text: str, mark: Any) -> Value:
        """An unquoted scalar by YAML 1.2's core schema, without its hexadecimal and octal numbers."""
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            if len(text.lstrip("-+")) > MAX_DIGITS:
                raise self.error(f"a number of {len(text)} digits; at most {MAX_DIGITS} are read", mark)
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                raise self.error(f"{text[:40]} is too large for a number", mark)
            return number
        if _NOT_FINITE.fullmatch(text):
            raise self.error(f"numbers must be finite; found {text}", mark, fix="write a number, or quote it as text")
        return text
