"""Write docs/reference/client.md from the docstrings of casedial_client: ``python -m tools.client_reference``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent, fill
from typing import Any

import msgspec

from casedial_client import (
    Case,
    CaseNote,
    Cases,
    CaseUpdate,
    Claim,
    Client,
    Lease,
    Outbox,
    Phone,
    Refused,
    calls,
    testing,
)
from casedial_client import errors as errors_module
from casedial_client.models import Explanation, Firm, Preflight, Result, Results

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "client.md"
MODELS = (Case, Phone, Cases, Lease, CaseUpdate, CaseNote, Results, Result, Firm, Explanation, Preflight, Refused)
WIDTH = 120
CLAIM = ("report", "note", "release", "next", "flush", "refused")
OUTBOX = ("waiting", "refused", "forget", "retry", "readdress")
# What the fixture has: its own methods, and those of its parts.
TESTING: dict[type, tuple[str, ...]] = {
    testing.Sandbox: ("reset", "calls", "case", "ask"),
    testing.SandboxClock: ("move", "set", "freeze", "run"),
    testing.SandboxFaults: ("delay", "cut", "reset_before", "reset_after", "limit", "be_away", "clear", "waiting"),
}
FOUND = (testing.SandboxCall, testing.SandboxCase, testing.StatusChange, testing.Note)

HEAD = """# The Python client

<!-- Made from the docstrings of clients/python by tools/client_reference.py; edit those. -->

`casedial-client` is for dialers that are written in Python. [Its README](../../clients/python/README.md) says how to
install it and has a dialer's whole loop; [integrate a dialer](../how-to/integrate-a-dialer.md) explains the loop, and
[the API reference](api.md) what each call does at the server. `AsyncClient` has the same methods as `Client`, and
`AsyncClaim` the same as `Claim`; they are awaited, with `async with` and `async for`.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_client(), *_claim(), *_outbox(), *_models(), *_errors(), *_testing()]).rstrip() + "\n"


def described() -> dict[str, Callable[..., Any]]:
    """Return every call, by its name, in the order of the file."""
    found = vars(calls).items()
    return {
        name: function
        for name, function in found
        if inspect.isfunction(function) and function.__module__ == calls.__name__ and not name.startswith("_")
    }


def _client() -> Iterator[str]:
    yield "## Client\n"
    yield f"```python\n{_signature('Client', Client.__init__)}\n```\n"
    yield _prose(Client.__init__) + "\n"
    for name, function in described().items():
        yield f"### {name}\n"
        yield f"```python\n{_signature(name, function)}\n```\n"
        yield _prose(function) + "\n"


def _claim() -> Iterator[str]:
    yield "## Claim\n"
    yield f"```python\n{_signature('client.claim', Client.claim)}\n```\n"
    yield _prose(Claim) + "\n"
    yield from _methods(Claim, CLAIM)


def _outbox() -> Iterator[str]:
    yield "## Outbox\n"
    yield "```python\nOutbox(path)\n```\n"
    yield _prose(Outbox) + "\n"
    yield from _methods(Outbox, OUTBOX)


def _testing() -> Iterator[str]:
    yield "\n## Testing\n"
    yield _prose(testing) + "\n"
    yield "[Test your dialer](../how-to/test-your-dialer.md) shows how; [the sandbox](sandbox.md) is behind it.\n"
    for kind, names in TESTING.items():
        part = kind.__name__.removeprefix("Sandbox").lower()
        yield f"`casedial_sandbox{part and '.' + part}`: {_line(kind)}\n"
        yield from _methods(kind, names)
    yield f"`casedial_sandbox.environment`: {_line(testing.Sandbox.environment.fget)}\n"
    yield f"`casedial_sandbox.clock.now`: {_line(testing.SandboxClock.now.fget)}\n"
    yield from _table(FOUND)


def _methods(kind: type, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        method = getattr(kind, name)
        yield f"- `{' '.join(_signature(name, method).split())}`: {_line(method)}"
    yield ""


def _models() -> Iterator[str]:
    yield "## What is taken and returned\n"
    yield from _table(MODELS)


def _table(models: Sequence[type]) -> Iterator[str]:
    yield "| | fields | |\n| --- | --- | --- |"
    for model in models:
        fields = ", ".join(f"`{name}`" for name in _fields(model))
        yield f"| `{model.__name__}` | {fields} | {_line(model)} |"
    yield ""


def _fields(model: type) -> list[str]:
    if issubclass(model, msgspec.Struct):
        return [field.name for field in msgspec.structs.fields(model)]
    return [name for name in inspect.signature(model).parameters if name != "cases"]


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    tree = (inspect.getdoc(errors_module) or "").partition("::\n\n")[2].partition("\n\n")[0]
    yield f"```text\n{inspect.cleandoc(tree)}\n```\n"
    yield "A code that this version does not know is told as the nearest class by its HTTP status, with that `code`. An"
    yield "error has `detail`, `status`, `code`, `fields` (`pointer` and `detail` of each), `results`, `request_id`,"
    yield "`retry_after`, and `advice`: what to do about it.\n"
    yield "[Errors](errors.md) lists those of a server. Those of the client alone:\n"
    yield "| error | what to do |\n| --- | --- |"
    for error in errors_module.every_error():
        if not issubclass(error, errors_module.Refusal) and error is not errors_module.CasedialError:
            yield f"| `{error.__name__}` | {_line(error)} |"


def _prose(thing: Any) -> str:
    """Return a docstring: its paragraphs wrapped anew, its code as it is."""
    shown = []
    for part in (inspect.getdoc(thing) or "").replace("``", "`").split("\n\n"):
        if part.startswith("    "):
            shown.append(f"```python\n{dedent(part)}\n```")
        elif part.strip() != "::":
            shown.append(fill(" ".join(part.split()), WIDTH, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(shown)


def _line(thing: Any) -> str:
    """Return a docstring as one line, for a list or a table."""
    return " ".join(_prose(thing).split())


def _signature(name: str, function: Callable[..., Any]) -> str:
    """Return how something is called, without types: one line, or one for each parameter."""
    taken = list(inspect.signature(function, follow_wrapped=True).parameters.values())
    shown: list[str] = []
    starred = False
    for one in taken:
        if one.name == "self":
            continue
        if one.kind is one.VAR_POSITIONAL:
            shown.append(f"*{one.name}")
            starred = True
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        shown.append(one.name if one.default is one.empty else f"{one.name}={one.default!r}")
    line = f"{name}({', '.join(shown)})"
    return line if len(line) <= 110 else f"{name}(\n    {', '.join(shown)},\n)"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
