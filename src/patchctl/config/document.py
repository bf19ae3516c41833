"""Convert YAML text to a typed shape, and report all mistakes at once with their lines.

PyYAML's nodes keep line numbers and repeated keys, which its constructors lose. Scalars follow YAML
1.2's core schema, so `22:00`, `on` and `no` are text. A shape is a msgspec Struct; each of its
fields is converted separately, so one mistake does not hide the next.
"""

import difflib
import enum
import re
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

from ..errors import InvalidInputError, Problem

MAX_BYTES = 1 << 20
MAX_NODES = 100_000  # aliases of aliases grow exponentially when they are followed
MAX_DEPTH = 50  # an alias may be inside the node that it names, which never ends

Reader = Callable[[Any], Any]
Shape = TypeVar("Shape", bound=msgspec.Struct)


class _Core(yaml.SafeLoader):
    """YAML 1.2 core schema instead of PyYAML's YAML 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", "tTfF"),
    ("null", r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z", "-+0123456789"),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN))\Z",
        "-+.0123456789",
    ),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": lambda text: int(text, _base(text)),
    "tag:yaml.org,2002:float": lambda text: float(
        text.replace(".inf", "inf").replace(".nan", "nan")
    ),
}


def _base(text: str) -> int:
    return {"0o": 8, "0x": 16}.get(text[:2], 10)


class Short:
    """Reads a short form: a value that is no mapping, in a place where a mapping is expected."""

    def __init__(self, read: Reader) -> None:
        self._read = read

    def __call__(self, plain: Any) -> Any:
        return self._read(plain)


class _Bad(enum.Enum):
    """Stands for a value that could not be read. Its problem is already recorded."""

    VALUE = "value"


class Document:
    """One workspace file. `decode` and `complain` collect problems, `check` raises them all."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._seen = 0
        self._root = self._compose(text)

    @classmethod
    def open(cls, path: Path, name: str | None = None) -> "Document":
        """Read a file. Raises InvalidInputError where it cannot be read or is not text."""
        shown = name or path.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidInputError(f"cannot be read: {error.strerror}", where=shown) from error
        if len(data) > MAX_BYTES:
            raise InvalidInputError(f"is larger than {MAX_BYTES >> 20} MiB", where=shown)
        try:
            return cls(shown, data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                f"is not UTF-8 (byte {error.start})", where=shown, hint="save it as UTF-8"
            ) from error

    def complain(self, path: str, message: str, hint: str = "") -> None:
        """Record a problem at a path such as `rings[1].budget`."""
        self._add(self._line_of(path), message, hint, key=path)

    def clean(self, path: str) -> bool:
        """Return whether no problem is recorded at this path or below it."""
        below = (f"{path}.", f"{path}[")
        return not any(
            problem.key == path or problem.key.startswith(below) for problem in self._problems
        )

    def check(self) -> None:
        """Raise InvalidInputError with all problems, in the order of the file. Does nothing without
        problems.
        """
        if self._problems:
            ordered = sorted(self._problems, key=lambda problem: (problem.line, str(problem)))
            raise InvalidInputError(problems=ordered)

    def decode(self, shape: type[Shape], readers: Mapping[Any, Reader]) -> Shape | None:
        """Convert the whole file to `shape`. An empty file is an empty mapping.

        `readers` convert plain values to their types and raise ValueError with the reason. Returns
        None where a problem was found; it is recorded.
        """
        if self._problems:
            return None
        value = self._struct(self._root, "", shape, readers)
        return None if isinstance(value, _Bad) else value

    # --- YAML ---------------------------------------------------------------------------------

    def _compose(self, text: str) -> yaml.Node:
        empty = yaml.MappingNode("tag:yaml.org,2002:map", [], _start())
        try:
            node = yaml.compose(text, Loader=_Core)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = error.problem or error.context
            if isinstance(error, yaml.composer.ComposerError):  # such as a second document
                told = ", ".join(filter(None, (error.context, error.problem)))
            else:
                told = f"check the indentation here ({what})"
            self._add(mark.line + 1 if mark else 1, f"not valid YAML: {told}")
            return empty
        except yaml.YAMLError as error:
            self._add(1, f"not valid YAML: {str(error).splitlines()[0]}")
            return empty
        except RecursionError:
            self._add(1, "too many entries, or too deep inside each other")
            return empty
        if node is None or node.tag.endswith(":null"):
            return empty
        return node

    def _plain(self, node: yaml.Node, path: str, depth: int = 0) -> Any:
        """Return the node as builtins, or `_Bad.VALUE`."""
        self._seen += 1
        if self._seen > MAX_NODES or depth > MAX_DEPTH:
            where = f"{self.name}:{_line(node)}"
            raise InvalidInputError("too many entries, or too deep inside each other", where=where)
        if isinstance(node, yaml.MappingNode):
            return self._plain_mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self._plain(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(node.value)
            ]
            return _Bad.VALUE if _Bad.VALUE in items else items
        convert = _SCALARS.get(node.tag)
        if convert is None:
            self._add(_line(node), f"the tag {node.tag} has no meaning here", key=path)
            return _Bad.VALUE
        return convert(node.value)

    def _plain_mapping(self, node: yaml.MappingNode, path: str, depth: int) -> Any:
        values = {
            key: self._plain(value, _join(path, key), depth + 1)
            for key, value in self._entries(node, path)
        }
        return _Bad.VALUE if _Bad.VALUE in values.values() else values

    def _entries(self, node: yaml.MappingNode, path: str) -> Iterable[tuple[str, yaml.Node]]:
        """Return the keys as text with their values. A repeated key is a problem; only its first
        value is returned.
        """
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add(_line(key), "a key must be text", key=path or "the file")
            elif key.value in first:
                self._add(
                    _line(key),
                    f"is listed twice, first in line {first[key.value]}",
                    "keep one of them",
                    key=_join(path, key.value),
                )
            else:
                first[key.value] = _line(key)
                self._lines[_join(path, key.value)] = _line(key)
                yield key.value, value

    # --- shapes -------------------------------------------------------------------------------

    def _struct(self, node: yaml.Node, path: str, shape: Any, readers: Mapping[Any, Reader]) -> Any:
        if not isinstance(node, yaml.MappingNode):
            message = "must be a mapping (key: value)"
            self._add(_line(node), message, key=path or "the file")
            return _Bad.VALUE
        self._lines.setdefault(path, _line(node))
        fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
        rest = fields.pop("rest", None)
        values: dict[str, Any] = {}
        others: dict[str, Any] = {}
        present: set[str] = set()
        for key, child in self._entries(node, path):
            here = _join(path, key)
            if key in fields:
                present.add(key)
                values[fields[key].name] = self._value(child, here, fields[key].type, readers)
            elif rest is not None:
                others[key] = self._value(child, here, get_args(rest.type)[1], readers)
            else:
                self.complain(here, "unknown key", suggest(key, fields))
        if rest is not None:
            values["rest"] = {k: v for k, v in others.items() if v is not _Bad.VALUE}
        return self._build(shape, path, values, present, fields)

    def _build(
        self, shape: Any, path: str, values: dict[str, Any], present: set[str], fields: Any
    ) -> Any:
        missing = [name for name, field in fields.items() if field.required]
        for name in missing:
            if name not in present:
                self.complain(path, f"needs the key {name}")
        good = {name: value for name, value in values.items() if value is not _Bad.VALUE}
        if any(fields[name].name not in good for name in missing):
            return _Bad.VALUE
        return shape(**good)

    def _value(self, node: yaml.Node, path: str, kind: Any, readers: Mapping[Any, Reader]) -> Any:
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            read = readers.get(kind)
            mapping = isinstance(node, yaml.MappingNode)
            if read is None or (mapping and isinstance(read, Short)):
                return self._struct(node, path, kind, readers)
        if get_origin(kind) is tuple:
            return self._items(node, path, get_args(kind)[0], readers)
        plain = self._plain(node, path)
        if plain is _Bad.VALUE:
            return plain
        try:
            return _convert(plain, kind, readers)
        except _WrongValueError as error:
            self.complain(path, error.message, error.hint)
            return _Bad.VALUE

    def _items(self, node: yaml.Node, path: str, kind: Any, readers: Mapping[Any, Reader]) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self._add(_line(node), "must be a list", "write it as [a, b]", key=path)
            return _Bad.VALUE
        items = []
        for n, item in enumerate(node.value):
            here = f"{path}[{n}]"
            self._lines[here] = _line(item)
            items.append(self._value(item, here, kind, readers))
        return tuple(item for item in items if item is not _Bad.VALUE)

    # --- problems -----------------------------------------------------------------------------

    def _line_of(self, path: str) -> int:
        while path and path not in self._lines:
            path = re.sub(r"(\.[^.\[]*|\[\d+\]|^[^.\[]+)$", "", path)
        return self._lines.get(path, 1)

    def _add(self, line: int, message: str, hint: str = "", *, key: str = "") -> None:
        problem = Problem(path=self.name, line=line, key=key, message=message, hint=hint)
        self._problems.append(problem)


class _WrongValueError(Exception):
    """A value that its key does not accept."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or the list of known words."""
    names = list(known)
    return meant(word, names) or f"known: {', '.join(names)}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or "" where no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def _convert(plain: Any, kind: Any, readers: Mapping[Any, Reader]) -> Any:
    if kind in readers:
        try:
            return readers[kind](plain)
        except ValueError as error:
            raise _WrongValueError(str(error)) from error
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        known = [member.value for member in kind]
        if plain not in known:
            hint = meant(plain, known) if isinstance(plain, str) else ""
            raise _WrongValueError(f"must be {_either(known)}, not {_show(plain)}", hint)
        return kind(plain)
    if kind is str and isinstance(plain, bool | int | float):
        raise _WrongValueError(f"must be text, not {_show(plain)}", "put it in quotes")
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise _WrongValueError(f"{_reword(str(error))}, not {_show(plain)}") from error


_KINDS = {"str": "text", "bool": "true or false", "int": "a whole number"}


def _reword(message: str) -> str:
    expected = re.match(r"Expected `(\w+)`(.*?)(?:, got .*)?(?: - at .*)?\Z", message)
    if expected is None:
        return message
    return f"must be {_KINDS.get(expected[1], expected[1])}{expected[2]}"


def _either(known: list[str]) -> str:
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"


def _show(plain: Any) -> str:
    if isinstance(plain, bool):
        return str(plain).lower()
    return "empty" if plain is None else repr(plain)[:60]


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [item for item in get_args(kind) if item is not type(None)]
        return kinds[0] if len(kinds) == 1 else kind
    return kind


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _start() -> yaml.Mark:
    return yaml.Mark("", 0, 0, 0, None, 0)
