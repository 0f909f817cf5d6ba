"""casedial call: each method of the API from a shell, through the client that dialers use."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import msgspec
import typer

from casedial.cli.common import AsJson, err, show_json, show_table
from casedial_client import CasedialError as ClientError
from casedial_client import Client
from casedial_client.errors import OutcomeUnknown

READS = ("GetCasesToDial", "GetCaseInfo")
WRITES = ("UpdateCaseStatus", "AddCaseNote", "AddCaseNoteByPhone", "ExtendClaim", "ReleaseClaim")
PATHS = {"Firm": "/v1/firm", "Explain": "/v1/cases/{CaseID}/explain", "Preflight": "/v1/preflight"}
METHODS = {name.lower(): name for name in (*READS, *WRITES, *PATHS)}

# What a reply's headers tell of it; the others are the same for every one.
_HEADERS = ("X-Claim-Id", "X-Claim-Expires", "X-Records-Limit", "X-Attempts-Limit")
_MANY = ("caseid",)


def _method(text: str) -> str:
    try:
        return METHODS[text.strip().lower()]
    except KeyError:
        raise typer.BadParameter(f"{text[:40]!r} is not one of {', '.join(METHODS.values())}") from None


def call(
    method: Annotated[
        str,
        typer.Argument(parser=_method, metavar="METHOD", help=f"{', '.join(METHODS.values())}.", show_default=False),
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Its parameters; CaseID may repeat.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The address of the methods; by default CASEDIAL_URL."),
    ] = None,
    key_from: Annotated[
        str | None,
        typer.Option(
            "--key-from", metavar="FILE", help="The file with the key, - for standard input; else CASEDIAL_KEY."
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option("--body", metavar="FILE", help="A JSON object with more parameters, - for standard input."),
    ] = None,
    claim: Annotated[
        str | None, typer.Option("--claim", metavar="CLAIMID", help="Change only cases that this claim holds.")
    ] = None,
    seconds: Annotated[
        int | None, typer.Option("--seconds", help="For how long a claim is asked for that this call makes.")
    ] = None,
    repeat: Annotated[
        str | None,
        typer.Option("--repeat", metavar="KEY", help="The Idempotency-Key of a call that is to be repeated."),
    ] = None,
    patience: Annotated[
        int, typer.Option("--patience", min=0, help="For how many seconds to try again where there is no answer.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Call a method of the API, on this server or another."""
    path, asked, writes = _described(method, _asked(parameters or [], body))
    key, address = _key(key_from), _address(url)
    try:
        with Client(
            address, key=key, patience=patience, time_zone="UTC"
        ) as client:  # times are sent as they were typed
            reply = client.call(
                path, asked, writes=writes, claim_id=claim, claim_seconds=seconds, idempotency_key=repeat
            )
            document = reply.document
    except ClientError as error:
        _fail(error, as_json)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    headers = {name: reply.headers[name] for name in _HEADERS if name in reply.headers}
    if as_json:
        show_json({"request_id": reply.request_id, "headers": headers, "reply": document})
    else:
        _show(document)
    for name, value in ({**headers, "Request": reply.request_id}).items():
        err.print(f"{name}: {value}", soft_wrap=True)
    if isinstance(document, dict) and document.get("Failed"):
        raise typer.Exit(1)


def _described(method: str, asked: dict[str, Any]) -> tuple[str, dict[str, Any], bool]:
    """Return the path, what is sent to it, and whether that changes anything."""
    if method not in PATHS:
        return method, asked, method in WRITES or any(_folded(name) == "autochange" for name in asked)
    for name in [name for name in asked if _folded(name) == "caseid" and "{CaseID}" in PATHS[method]]:
        return PATHS[method].replace("{CaseID}", quote(str(asked.pop(name)), safe="")), asked, False
    if "{CaseID}" in PATHS[method]:
        raise typer.BadParameter(f"{method} needs CaseID=…", param_hint="NAME=VALUE")
    return PATHS[method], asked, False


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def _asked(parameters: Sequence[str], body: str | None) -> dict[str, Any]:
    found = _object(body) if body else {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text[:40]!r} is not NAME=VALUE", param_hint="NAME=VALUE")
        if name in found and _folded(name) in _MANY:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        elif name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint="NAME=VALUE")
        else:
            found[name] = value
    return found


def _object(file: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_read(file, "--body"))
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}", param_hint="--body") from None
    if isinstance(found, list):
        return {"Cases": found}
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} has no JSON object in it", param_hint="--body")
    return found


def _read(file: str, option: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror or error}", param_hint=option) from None


def _key(file: str | None) -> str:
    """Return the key. It is never an argument: everybody on the machine can see those in a list of processes."""
    key = _read(file, "--key-from").decode("utf-8", "replace").strip() if file else os.environ.get("CASEDIAL_KEY", "")
    if not key:
        raise typer.BadParameter("there is no key: set CASEDIAL_KEY, or name a file", param_hint="--key-from")
    return key


def _address(url: str | None) -> str:
    address = url or os.environ.get("CASEDIAL_URL", "")
    if not address:
        raise typer.BadParameter("there is no address: give one, or set CASEDIAL_URL", param_hint="--url")
    return address


def _fail(error: ClientError, as_json: bool) -> NoReturn:
    if as_json:
        show_json({"error": {"code": error.code, "message": error.detail, "request_id": error.request_id}})
    err.print(f"{error.code}:", style="red", end=" ")
    err.print(error.detail, soft_wrap=True)
    for result in error.results[1:]:
        err.print(f"{result.case_id}: {result.code}: {result.message}", soft_wrap=True)
    err.print(error.advice, soft_wrap=True)
    if isinstance(error, OutcomeUnknown):
        err.print(f"--repeat {error.idempotency_key}", soft_wrap=True)
    err.print(f"Request: {error.request_id or 'none'}", soft_wrap=True)
    raise typer.Exit(1)


def _show(document: object) -> None:
    """Show a reply: a list of objects as a table, one object as names and values, with what it holds below it."""
    if isinstance(document, dict) and set(document) == {"Succeeded", "Failed", "Results"}:
        document = document["Results"]
    if isinstance(document, dict):
        inner = {name: value for name, value in document.items() if _is_table(value)}
        show_table(("", ""), [(name, _cell(value)) for name, value in document.items() if name not in inner])
        for name, rows in inner.items():
            _show_rows(rows, name)
    elif isinstance(document, list):
        _show_rows(document)


def _show_rows(rows: Sequence[dict[str, Any]], title: str | None = None) -> None:
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        show_table(columns, [[_cell(row.get(name)) for name in columns] for row in rows], title)
    elif title is None:
        err.print("Nothing.")


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _cell(value: object) -> object:
    """Show what stands in a cell: phones by their numbers, the primary one first, as they come."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items() if item not in (None, ""))
    if isinstance(value, list):
        return ", ".join(str(item["Phone"] if isinstance(item, dict) and "Phone" in item else item) for item in value)
    return value
