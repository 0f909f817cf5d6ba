"""Write docs/reference/v1.md from the routes below /v1: ``python -m tools.v1_reference``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

from casedial.web.v1 import cases, changes, feed, putting
from casedial.web.v1.routing import Route

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "v1.md"
ROUTES = (*cases.ROUTES, *putting.ROUTES, *changes.ROUTES, *feed.ROUTES)  # the others have a page of their own
WIDTH = 120

HEAD = """# /v1: cases, changes of many, what happened

<!-- Made from the routes in src/casedial/web/v1 by tools/v1_reference.py; edit those. -->

A firm's case-management system keeps the list true by these calls: no file, no shell. They take a key with the scope
`manage` (or `feed`, to read what happened), which no dialer should have, and work in the whole firm of the key. The
[OpenAPI document](api.md) of a server, at `/openapi.json` and `/docs`, has them with every field of every reply.

```sh
casedial key add --firm "Lex & Partners" --vendor "Our System" --scope manage
curl -H "X-ApiKey: $KEY" "$ROOT/v1/cases?Campaign=Intake%20follow-up&Limit=10"
```

- **Bodies** are JSON objects of at most 1 MiB and 30,000 values. Names are those of the published API, compared
  without regard to case, `-`, `_` and blanks. A name that a call does not have is refused (`UnknownParameter`), as if
  `X-Strict` were sent.
- **Times** of cases (`DialDateTime`) are local to the firm, as in the published API; with `Z` or an offset they are
  converted. All other times are UTC, and end with `Z`.
- **Errors** are the same [problem documents](api.md#errors), with every bad field in `errors`. A call that is refused
  has changed nothing, unless it says otherwise.
- **Repeats.** Give each write an `Idempotency-Key` of its own. The same call with the same key, byte for byte, gets the
  first reply, for 24 hours. A refusal is not kept: the repeat is tried anew.
- **Pages.** A list has `Limit` things at most. Send its `Next` as the parameter that the call names (`After`, `Before`)
  for those behind them; `null` is the end.
- **Who it was.** The [audit](cli.md#casedial-audit) names the key for every change. In the history of a case, fields
  that were sent are signed `import`, because they go by its rules; changes of many cases are signed with the vendor of
  the key. Reports of dialers are counted without either.
- A key that is limited to campaigns is refused: what is done here is the whole firm's.

[Campaigns, statuses, do-not-call and figures](v1-campaigns-and-lists.md) have a page of their own. The calls for
dialers under `/v1` are in the [API reference](api.md#get-v1firm).
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(line for route in ROUTES for line in _route(route))]).rstrip() + "\n"


def _route(route: Route) -> Iterator[str]:
    about = route.about
    yield f"## {route.name}\n"
    yield f"```text\n{route.verb} {route.path}\n```\n"
    scopes = " or ".join(f"`{scope}`" for scope in route.scopes)
    yield fill(" ".join(filter(None, (f"{about.summary}.", about.detail, f"Scope: {scopes}."))), WIDTH) + "\n"
    if about.query:
        yield _table("parameter", about.query)
    if about.body:
        yield _table("field of the body", about.body.get("properties", {}), about.body.get("required", ()))
        yield f"{_json(about.sent)}\n"
    yield f"The reply:\n\n{_json(about.example)}\n"
    if about.errors:
        codes = ", ".join(f"`{error.__name__}`" for error in about.errors)
        yield f"It may be refused with {codes}, besides what any call may be.\n"


def _table(title: str, fields: Mapping[str, Mapping[str, Any]], required: Any = ()) -> str:
    rows = [f"| {title} | |", "| --- | --- |"]
    for name, schema in fields.items():
        shown = f"**`{name}`**" if name in required else f"`{name}`"
        rows.append(f"| {shown} | {_meaning(schema)} |")
    return "\n".join(rows) + "\n"


def _meaning(schema: Mapping[str, Any]) -> str:
    parts = [schema["description"]] if "description" in schema else []
    if "enum" in schema:
        parts.append(f"One of {', '.join(str(one) for one in schema['enum'] if one is not None)}.")
    if "minimum" in schema and "maximum" in schema:
        default = f", by default {schema['default']}" if "default" in schema else ""
        parts.append(f"{schema['minimum']} to {schema['maximum']}{default}.")
    items = schema.get("items", {}).get("properties") or schema.get("properties")
    if items:
        parts.append(f"Fields: {', '.join(f'`{name}`' for name in items)}.")
    return " ".join(parts)


def _json(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
