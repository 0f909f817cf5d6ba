"""Read lists within one request: of values, one of them or many, and of objects. Each error names its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from casedial.domain.errors import CasedialError, FieldError, InvalidParameter, TooManyItems
from casedial.wire.documents import JsonObject, Parameters, conflict

T = TypeVar("T")


def several(parameters: Parameters, name: str, read: Callable[[object], T], most: int) -> list[T] | None:
    """Return the values of a parameter that is one value, a list, or repeated, each once; None where it is absent.

    What is wrong with one is noted, and the value left out.
    """
    sent: list[object] = []
    for value in parameters.every(name):
        sent += value if isinstance(value, list) and not isinstance(value, JsonObject) else [value]
    if not parameters.every(name):
        return None
    if len(sent) > most:
        parameters.refuse(_too_many(len(sent), most, f"{parameters.pointer}/{name}"))
        return []
    found: dict[T, None] = {}
    for place, value in enumerate(sent):
        pointer = f"{parameters.pointer}/{name}/{place}" if len(sent) > 1 else f"{parameters.pointer}/{name}"
        try:
            found[read(value)] = None
        except CasedialError as error:
            parameters.refuse(InvalidParameter(error.detail, [FieldError(pointer, error.detail, value)]))
        except ValueError as error:
            parameters.refuse(InvalidParameter(f"{name} {error}.", [FieldError(pointer, str(error), value)]))
    return list(found)


def objects(parameters: Parameters, name: str, read: Callable[[Parameters], T], most: int) -> list[T] | None:
    """Return what ``read`` makes of each object of a list; None where the list is absent or something is wrong.

    It finishes what it reads, and may raise ValueError.
    """
    sent, pointer = parameters.every(name), f"{parameters.pointer}/{name}"
    if not sent:
        return None
    if len(sent) > 1:
        parameters.refuse(conflict(name, parameters.pointer))
        return None
    try:
        return _read_objects(sent[0], pointer, read, parameters, most)
    except CasedialError as error:
        parameters.refuse(error)
        return None


def _read_objects(
    sent: object, pointer: str, read: Callable[[Parameters], T], within: Parameters, most: int
) -> list[T]:
    if not isinstance(sent, list) or isinstance(sent, JsonObject):
        raise _wrong("must be a list of objects", pointer)
    if len(sent) > most:
        raise _too_many(len(sent), most, pointer)
    found = []
    for place, item in enumerate(sent):
        if not isinstance(item, JsonObject):
            raise _wrong("must be an object", f"{pointer}/{place}")
        one = Parameters(item, within.ignored, f"{pointer}/{place}")
        try:
            made = read(one)
        except ValueError as error:
            raise _wrong(str(error), one.pointer) from None
        found.append(made)
    return found


def _wrong(detail: str, pointer: str) -> InvalidParameter:
    return InvalidParameter(f"{pointer.removeprefix('#/')} {detail}.", [FieldError(pointer, detail)])


def _too_many(number: int, most: int, pointer: str) -> TooManyItems:
    detail = f"has {number} entries; one request has at most {most}"
    return TooManyItems(f"{pointer.removeprefix('#/')} {detail}.", [FieldError(pointer, detail)])
