"""Forms: bodies of requests, read within bounds, and what is wrong in them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qsl

from litestar.types import Receive
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from casedial.domain.errors import (
    BodyTooLarge,
    BodyTooSlow,
    CasedialError,
    InternalError,
    MalformedDocument,
    NoRoom,
    NotAuthenticated,
    StorageUnavailable,
    TooBusy,
)

MAX_BYTES = 1024 * 1024
MAX_UPLOAD_BYTES = 64 * 1024 * 1024
_MAX_FIELDS = 20_000  # rows that were chosen, among them
_SECONDS, _UPLOAD_SECONDS = 30, 600
_MAX_PARTS = 200  # of a form with files
_IN_MEMORY = 1024 * 1024  # of an upload; the rest is on disk
_NOT_OF_A_FIELD = (StorageUnavailable, TooBusy, InternalError, NotAuthenticated)


class Fields:
    """What a query string or a form brought, as text."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self.pairs = list(pairs)

    def text(self, name: str, default: str = "") -> str:
        """Return the value of a field, trimmed; the first, where it came more than once."""
        return next((value.strip() for key, value in self.pairs if key == name), default)

    def raw(self, name: str) -> str:
        """Return the value of a field as it was typed: a password, say."""
        return next((value for key, value in self.pairs if key == name), "")

    def texts(self, name: str) -> list[str]:
        """Return all values of a field."""
        return [value.strip() for key, value in self.pairs if key == name]

    def number(self, name: str) -> int | None:
        """Return a whole number, None where there is none."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

    def has(self, name: str) -> bool:
        """Tell whether a field came, a box that is ticked, say."""
        return any(key == name for key, _ in self.pairs)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent: its name, as the browser says, and what is in it."""

    name: str
    file: IO[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A form with its files."""

    fields: Fields = field(default_factory=Fields)
    files: Mapping[str, Upload] = field(default_factory=dict)

    def close(self) -> None:
        """Let go of the files."""
        for upload in self.files.values():
            upload.file.close()


class FormErrors:
    """What is wrong in a form, by the names of its fields; "" is the form as a whole."""

    def __init__(self, messages: Mapping[str, str] | None = None) -> None:
        self.messages = dict(messages or {})

    def add(self, name: str, message: str) -> None:
        """Say what is wrong with a field; the first message of it stays."""
        self.messages.setdefault(name, message)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Make what is refused within the block the message of a field."""
        try:
            yield
        except _NOT_OF_A_FIELD:
            raise
        except CasedialError as error:
            self.add(name, error.detail)

    @property
    def first(self) -> str | None:
        """Return the first field with a message, on which the page puts the cursor."""
        return next((name for name in self.messages if name), None)

    def get(self, name: str) -> str | None:
        """Return the message of a field."""
        return self.messages.get(name)

    def __bool__(self) -> bool:
        return bool(self.messages)


def query(raw: bytes) -> Fields:
    """Read a query string. Raises MalformedDocument."""
    return Fields(_pairs(raw.decode("latin-1")))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise MalformedDocument("What the browser sent cannot be read.") from None
    if any("\0" in part for pair in pairs for part in pair):
        raise MalformedDocument("What the browser sent cannot be read.")
    return pairs


class Body:
    """The body of a request as it comes, of which is known whether it is over."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False

    async def __call__(self) -> Any:
        """Return the next message."""
        message = await self._receive()
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self, most: int) -> None:
        """Let the rest pass, up to so many bytes: who still sends would not read why it was refused."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS):
                while most > 0 and not self._is_over:
                    most -= len((await self()).get("body", b""))


async def read(receive: Receive, content_type: str, takes_files: bool, admit: Callable[[Fields], None]) -> Sent:
    """Read a form. ``admit`` is asked before any file is read, with the fields before it, and once at the end.

    Raises what ``admit`` does, BodyTooLarge, BodyTooSlow and MalformedDocument.
    """
    kind, options = parse_options_header(content_type)
    most, seconds = (MAX_UPLOAD_BYTES, _UPLOAD_SECONDS) if takes_files else (MAX_BYTES, _SECONDS)
    try:
        async with asyncio.timeout(seconds):
            if kind == "multipart/form-data" and takes_files:
                return await _multipart(receive, options.get("boundary", ""), most, admit)
            body = bytearray()
            async for part in _parts(receive, MAX_BYTES):
                body += part
    except TimeoutError:
        raise BodyTooSlow("The form took too long to arrive. Nothing was changed; try again.") from None
    if body and kind != "application/x-www-form-urlencoded":
        raise MalformedDocument("This page takes a form, not another kind of document.")
    fields = Fields(_pairs(body.decode("latin-1")))
    admit(fields)
    return Sent(fields)


async def _parts(receive: Receive, most: int):  # type: ignore[no-untyped-def]  # an iterator of bytes
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise MalformedDocument("The form ended before it was complete.")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise BodyTooLarge(f"This is more than {most // 1024 // 1024} MiB; send less at a time.")
        if part:  # what is empty would be taken for the end
            yield part
        more = message.get("more_body", False)


async def _multipart(receive: Receive, boundary: str, most: int, admit: Callable[[Fields], None]) -> Sent:
    reading = _Reading(admit)
    try:
        # Not strict: the line break behind the last boundary may come in a piece of its own.
        with PushMultipartParser(boundary, max_segment_count=_MAX_PARTS) as parser:
            async for part in _parts(receive, most):
                for event in parser.parse(part):
                    reading.take(event)
    except (MultipartError, ValueError):
        reading.sent().close()
        raise MalformedDocument("The form cannot be read, or ended before it was complete.") from None
    except BaseException:
        reading.sent().close()
        raise
    sent = reading.sent()
    admit(sent.fields)
    return sent


@contextmanager
def _room() -> Iterator[None]:
    """Say so where there is no room on the disk for a file that is being sent. Raises NoRoom."""
    try:
        yield
    except OSError as error:
        raise NoRoom(
            f"The file cannot be kept in the server's folder {tempfile.gettempdir()}: {error.strerror or error}. "
            "Nothing was changed. Tell who runs the server, or send a smaller file."
        ) from None


class _Reading:
    """A multipart form as it comes: small fields in memory, files on disk."""

    def __init__(self, admit: Callable[[Fields], None]) -> None:
        self._admit = admit
        self._pairs: list[tuple[str, str]] = []
        self._files: dict[str, Upload] = {}
        self._head: MultipartSegment | None = None
        self._text = bytearray()
        self._file: IO[bytes] | None = None

    def take(self, event: MultipartSegment | bytearray | None) -> None:
        """Take the head of a part, a piece of what is in it, or its end."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._file:
            with _room():
                self._file.write(event)
        else:
            self._text += event
            if len(self._text) > MAX_BYTES:
                raise BodyTooLarge("A field of the form is too long.")

    def _begin(self, head: MultipartSegment) -> None:
        self._head, self._text, self._file = head, bytearray(), None
        if head.filename is not None:
            self._admit(Fields(self._pairs))
            self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed with the form

    def _end(self) -> None:
        if self._head is None:
            return
        if self._file:
            with _room():
                size = self._file.tell()
                self._file.seek(0)
            self._files[self._head.name] = Upload(self._head.filename or "", self._file, size)
        else:
            self._pairs.append((self._head.name, self._text.decode()))
        self._head = None

    def sent(self) -> Sent:
        """Return what has come."""
        if self._file and self._head:
            self._file.close()
        return Sent(Fields(self._pairs), self._files)
