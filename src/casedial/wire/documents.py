"""Read what a client sent into parameters, whatever its form and however it spells their names."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import parse_qsl, quote

from casedial.domain.errors import (
    CasedialError,
    ConflictingParameter,
    FieldError,
    InvalidParameter,
    MalformedDocument,
    MissingParameter,
    RequestError,
    TooLarge,
    TooManyItems,
    UnknownParameter,
    UnsupportedContentType,
)

T = TypeVar("T")

Pairs = Sequence[tuple[str, object]]

_JSON = ("application/json", "text/json")
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS = 10_000  # the largest legitimate form repeats CaseID 1000 times
_MAX_VALUES = 30_000  # of a JSON text: 1000 cases with three phones each, sent back as they came, are 24,000
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_MAX_IGNORED_BYTES = 1024
_LONGEST_KEPT = 64  # characters of a name whose form is remembered
_MAX_UNKNOWN = 20  # that one refusal names


class JsonObject(list[tuple[str, object]]):
    """A JSON object as its pairs in order, so that a name given twice is seen."""


class Ignored(NamedTuple):
    """A parameter that nothing asked for: its name as the client spelled it, and where it stands."""

    name: str
    pointer: str = "#"


class Query(Sequence[tuple[str, object]]):
    """The parameters of a query string, which is read when somebody asks for them.

    Raises MalformedDocument or TooManyItems then.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def _pairs(self) -> list[tuple[str, object]]:
        return _read_form(self.raw, "query string")

    def __getitem__(self, place: Any) -> Any:
        return self._pairs[place]

    def __iter__(self) -> Iterator[tuple[str, object]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


@dataclass
class Document:
    """One request's parameters: those of the query string, and the body.

    ``text`` is that of a body in JSON, which is read when it is asked for. ``ignored`` gathers what nothing asked for.
    """

    query: Pairs
    text: bytes = b""
    form: JsonObject | None = None
    ignored: list[Ignored] = field(default_factory=list)

    @cached_property
    def body(self) -> object:
        """Return a JsonObject, a list, another JSON value, or None without a body.

        Raises MalformedDocument or TooManyItems.
        """
        return read_json(self.text) if self.text else self.form

    @property
    def pairs(self) -> Pairs:
        """Return the parameters of query and body together; raises InvalidParameter for a body that has none, too."""
        if self.body is None:
            return self.query
        if not isinstance(self.body, JsonObject):
            raise InvalidParameter("The body must be a JSON object.", [FieldError("#", "must be a JSON object")])
        return [*self.query, *self.body]

    def fingerprint(self, *also: str) -> bytes:
        """Return what tells this request from another: the same for any spelling, spacing and order of parameters.

        Raises MalformedDocument.
        """
        whole = [*self.query, *self.body] if isinstance(self.body, JsonObject) else [*self.query, ("", self.body)]
        try:
            text = json.dumps([*also, _comparable(JsonObject(whole))])
        except RecursionError:
            raise MalformedDocument("The JSON is nested too deeply.") from None
        return sha256(text.encode()).digest()

    @contextmanager
    def read(self, strictly: bool) -> Iterator[None]:
        """Raise UnknownParameter after the block for what nothing asked for in it, where that is to be refused.

        It goes before all else that is wrong with the request: a name that is misspelt may be why.
        """
        try:
            yield
        except RequestError:
            if not (strictly and self.ignored):
                raise
        if strictly and self.ignored:
            refused = _unknown(self.ignored)
            self.ignored.clear()
            raise refused


def read_document(query: bytes, body: bytes, content_type: str) -> Document:
    """Read what brings parameters: the query string and a JSON body when they are asked for.

    A body without Content-Type is JSON. Raises MalformedDocument, TooManyItems or UnsupportedContentType.
    """
    pairs = Query(query)
    if not body.strip():
        return Document(pairs)
    media_type = content_type.partition(";")[0].strip().lower()
    if (
        not media_type
        or media_type in _JSON
        or (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        return Document(pairs, body)
    if media_type == _FORM:
        return Document(pairs, form=JsonObject(_read_form(body.strip(), "form")))
    raise UnsupportedContentType(f"Send application/json or {_FORM}; this body is of another type.")


def _read_form(raw: bytes, what: str) -> list[tuple[str, object]]:
    try:
        text = raw.decode("utf-8", "surrogateescape")  # what is not UTF-8 is refused below, by its name
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MAX_FORM_FIELDS)
    except ValueError:
        raise TooManyItems(f"The {what} has more than {_MAX_FORM_FIELDS} fields.") from None
    for name, value in pairs:
        _refuse_unstorable(name, f"#/{_escape(name)}", "is not UTF-8")
        _refuse_unstorable(value, f"#/{_escape(name)}", "is not UTF-8")
    return list(pairs)


def read_json(raw: bytes, what: str = "body") -> object:
    """Read one JSON value; objects come as JsonObject. Raises MalformedDocument or TooManyItems, never anything else.

    Refused wherever they stand: NaN and Infinity, numbers no double holds, NUL, lone surrogates.
    """
    _refuse_too_many(raw, what)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedDocument(f"The {what} is not UTF-8 (at byte {error.start}).") from None
    numbers = _Numbers()
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=JsonObject,
            parse_int=numbers.whole,
            parse_float=numbers.real,
            parse_constant=numbers.none,
        )
    except json.JSONDecodeError as error:
        raise MalformedDocument(
            f"The {what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise MalformedDocument("The JSON is nested too deeply.") from None
    # Only an escape can bring NUL or a lone surrogate past the decoder.
    if "\\u" in text or numbers.unreadable:
        _refuse_unstorable_in(value)
    return value


def _refuse_too_many(raw: bytes, what: str) -> None:
    """Count what is in a text before it is read: to read 1 MiB of nothing but names takes as long as 500 claims.

    Each value is the first of its list or object, or has a comma before it.
    """
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") < _MAX_VALUES:
        return
    bare = _STRING.sub(b"", raw)
    if bare.count(b",") >= _MAX_VALUES:
        raise TooManyItems(f"The {what} has more than {_MAX_VALUES:,} values.")
    if bare.count(b"[") + bare.count(b"{") > _MAX_VALUES:
        raise MalformedDocument("The JSON is nested too deeply.")


def _comparable(value: object) -> object:
    """Return a JSON value with names in canonical form and order, and without what counts as absent."""
    if isinstance(value, JsonObject):
        given = [(canonical(name), _comparable(child)) for name, child in value if child is not None and child != ""]
        return {"": sorted(given, key=lambda pair: pair[0])}
    return [_comparable(child) for child in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _NoNumber:
    """Stands for a number that no double holds until its field can be named."""

    text: str


class _Numbers:
    """Reads the numbers of a JSON text, and remembers whether there was one to look for and refuse."""

    def __init__(self) -> None:
        self.unreadable = False

    def whole(self, digits: str) -> int | _NoNumber:
        return self.none(digits) if len(digits) > 300 and math.isinf(float(digits)) else int(digits)

    def real(self, digits: str) -> float | _NoNumber:
        number = float(digits)
        return self.none(digits) if math.isinf(number) else number

    def none(self, text: str) -> _NoNumber:
        self.unreadable = True
        return _NoNumber(text)


def unstorable(text: str, broken: str = "holds half of a surrogate pair") -> str | None:
    """Return why no database stores this text, or None; ``broken`` says it of half a surrogate pair."""
    if "\0" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return broken
    return None


def _refuse_unstorable(text: str, pointer: str, broken: str = "holds half of a surrogate pair") -> None:
    if what := unstorable(text, broken):
        raise MalformedDocument(f"A string {what}.", [FieldError(pointer, what)])


def _refuse_unstorable_in(root: object) -> None:
    """Walk a JSON value without recursion, so that nesting costs no stack."""
    waiting: list[tuple[object, str]] = [(root, "#")]
    while waiting:
        value, pointer = waiting.pop()
        if isinstance(value, str):
            _refuse_unstorable(value, pointer)
        elif isinstance(value, _NoNumber):
            what = f"is not a number that can be read: {value.text[:40]}"
            raise MalformedDocument(f"A value {what}.", [FieldError(pointer, what)])
        elif isinstance(value, JsonObject):
            for name, child in value:
                _refuse_unstorable(name, pointer)
                waiting.append((child, f"{pointer}/{_escape(name)}"))
        elif isinstance(value, list):
            waiting.extend((child, f"{pointer}/{index}") for index, child in enumerate(value))


def _escape(name: str) -> str:
    """Escape a name for a JSON pointer, so that it is safe to show."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~-_ ", errors="replace")


def canonical(name: str) -> str:
    """Return the form in which parameter names are compared: ``Auto-change`` and ``auto_change`` are one."""
    return _known(name) if len(name) <= _LONGEST_KEPT else _canonical(name)


def _canonical(name: str) -> str:
    folded = name.lower().replace("-", "").replace("_", "").replace(" ", "")
    return "phone" if folded == "phonenumber" else folded


_known = lru_cache(maxsize=2048)(_canonical)  # strangers choose the names: only short ones are kept


def conflict(name: str, pointer: str) -> ConflictingParameter:
    """Return the refusal of a parameter that was sent twice with different values."""
    detail = "was sent more than once, with different values"
    return ConflictingParameter(f"{name} {detail}.", [FieldError(f"{pointer}/{name}", detail)])


@dataclass
class Parameters:
    """The parameters of one request or of one item, taken by name; what is wrong is gathered, then raised.

    None and the empty string are the same as absent. What nothing asked for is added to ``ignored``.
    """

    pairs: Pairs
    ignored: list[Ignored]
    pointer: str = "#"
    _given: dict[str, list[object]] = field(init=False)
    _taken: set[str] = field(init=False, default_factory=set)
    _errors: list[CasedialError] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._given = {}
        for name, value in self.pairs:
            values = self._given.setdefault(canonical(name), [])
            if value is not None and value != "":
                values.append(value)

    def every(self, name: str) -> list[object]:
        """Return all values given for a parameter that may repeat."""
        key = canonical(name)
        self._taken.add(key)
        return self._given.get(key, [])

    def optional(self, name: str, read: Callable[[object], T | None]) -> T | None:
        """Return the parameter as ``read`` makes it, or None when absent or wrong."""
        sent = self.every(name)
        pointer, value = f"{self.pointer}/{name}", sent[0] if sent else None
        try:
            values = [read(value) for value in sent]
        except CasedialError as error:
            self.refuse(type(error)(error.detail, [FieldError(pointer, error.detail, value)]))
            return None
        except ValueError as error:
            self.refuse(InvalidParameter(f"{name} {error}.", [FieldError(pointer, str(error), value)]))
            return None
        if any(value != values[0] for value in values[1:]):
            self.refuse(conflict(name, self.pointer))
            return None
        return values[0] if values else None

    def required(self, name: str, read: Callable[[object], T | None]) -> T:
        """Like ``optional``, but its absence is an error too: what is returned holds once ``finish`` has passed."""
        before = len(self._errors)
        value = self.optional(name, read)
        if value is None and len(self._errors) == before:
            self.refuse(MissingParameter(f"{name} is required.", [FieldError(f"{self.pointer}/{name}", "is required")]))
        return cast(T, value)

    def refuse(self, error: CasedialError) -> None:
        """Note that something is wrong."""
        self._errors.append(error)

    def leave_rest(self) -> None:
        """Count every name that was not asked for until now as ignored."""
        self.ignored.extend(Ignored(name, self.pointer) for name, _ in self.pairs if canonical(name) not in self._taken)

    def finish(self) -> None:
        """Raise what was wrong: what is too large before all else, then the first, naming the bad fields of all."""
        self.leave_rest()
        if self._errors:
            first = next((error for error in self._errors if isinstance(error, TooLarge)), self._errors[0])
            detail = " ".join(error.detail for error in self._errors)
            raise type(first)(detail, [field for error in self._errors for field in error.fields])


def _unknown(ignored: Iterable[Ignored]) -> UnknownParameter:
    every = list(dict.fromkeys(ignored))
    shown = [Ignored(name[:80], pointer) for name, pointer in every[:_MAX_UNKNOWN]]
    names = list(dict.fromkeys(name for name, _ in shown))
    *before, last = [*names, "more"] if len(every) > len(shown) else names
    told = f"parameters named {', '.join(before)} and {last}" if before else f"parameter named {last}"
    fields = [FieldError(f"{pointer}/{_escape(name)}", "is not a parameter of this method") for name, pointer in shown]
    return UnknownParameter(f"This method has no {told}, and X-Strict refuses {'them' if before else 'it'}.", fields)


def ignored_header(names: Iterable[str]) -> str:
    """Render X-Ignored-Parameters: percent-encoded names, each once, at most 1 KiB."""
    header = ""
    for name in dict.fromkeys(names):
        longer = f"{header}, {quote(name, safe='')}" if header else quote(name, safe="")
        if len(longer) > _MAX_IGNORED_BYTES:
            break
        header = longer
    return header
