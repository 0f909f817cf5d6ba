"""The SQL that casedial ran for a claim and an update, as scripts for pgbench: recorded once, and frozen.

recorded/before.json holds the statements of commit 061d461, with their parameters, as its drivers were given them while
it did the work on a data set of data.py. They stay what they are: how much faster casedial became is seen beside a
reference that does not move. Only what must differ from call to call is left open: <campaign>, <claim> (a new id),
<case n> (the n-th CaseID of the call) and <cases> (all of them, as JSON). Parameters become pgbench's variables, so
that statements stay word for word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.data import CAMPAIGNS, FIRST_CAMPAIGN_ID

RECORDED = Path(__file__).parent / "recorded" / "before.json"
CAMPAIGN, CLAIM, CASES = "<campaign>", "<claim>", "<cases>"
CASE = re.compile(r"<case (\d+)>")

# pgbench makes no UUIDs: twelve digits, different in every call and as scattered as random ones, and twenty that stay.
_CLAIM_ID = "(:tail::text || '40008000000000000000')"
_NEW_CLAIM_ID = r"""\set sequence :sequence + 1
\set tail 100000000000 + permute(:base + :client_id * 1000000 + :sequence, 899999999999, 5)
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script of pgbench and the variables it is given."""

    text: str
    variables: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver was given it, with its sets of parameters; many: sent in one go, once for each set."""

    text: str
    sets: list[list[object]]


def recorded(work: str, records: int, firm: int) -> list[Statement]:
    """Return the statements of a call, in order: "postgresql claim", "postgresql update" or "sqlite claim"."""
    found = json.loads(RECORDED.read_text())[work][str(records)][firm]
    return [Statement(**statement) for statement in found]


def claim_script(records: int, firm: int, base: int, campaigns: int = len(CAMPAIGNS)) -> Script:
    """Return a script that claims from one of the firm's campaigns at random, as casedial did.

    ``base`` keeps the claim ids of several runs apart.
    """
    first = FIRST_CAMPAIGN_ID + firm * len(CAMPAIGNS)
    variables: dict[str, object] = {"sequence": 0, "base": base}
    lines = [rf"\set campaign random({first}, {first + campaigns - 1})", _NEW_CLAIM_ID.rstrip()]
    shown = {CLAIM: _CLAIM_ID, CAMPAIGN: ":campaign"}.get
    for number, statement in enumerate(recorded("postgresql claim", records, firm)):
        lines += _lines(statement, f"f{firm}s{number}", shown, variables)
    return Script("\n".join(lines) + "\n", variables)


def update_script(records: int, firm: int, clients: int) -> Script:
    """Return a script that updates one block of CaseIDs after the other, as casedial did for one call."""
    variables: dict[str, object] = {f"done{firm}": 0}
    lines = [rf"\set first (:done{firm} * {clients} + :client_id) * {records}", rf"\set done{firm} :done{firm} + 1"]
    lines += [rf"\set c{i} :first + {i + 1}" for i in range(records)]
    lines.append("BEGIN;")

    def shown(value: object) -> str | None:
        case = isinstance(value, str) and CASE.fullmatch(value)
        return f":c{case[1]}" if case else None

    for number, statement in enumerate(recorded("postgresql update", records, firm)):
        lines += _lines(statement, f"f{firm}s{number}", shown, variables)
    return Script("\n".join([*lines, "COMMIT;"]) + "\n", variables)


def _lines(
    statement: Statement, name: str, shown: Callable[[object], str | None], variables: dict[str, object]
) -> list[str]:
    """Return a statement, once for each set of parameters; adds its constants to ``variables``."""
    known: dict[tuple[str, str], str] = {}
    made = []
    for parameters in statement.sets:

        def put(match: re.Match[str], parameters: list[object] = parameters) -> str:
            value = parameters[int(match[1]) - 1]
            if value is None:
                return "NULL"
            text = str(value)
            if isinstance(value, list):
                elements = [shown(element) if isinstance(element, str) else None for element in value]
                replaced = f"ARRAY[{', '.join(filter(None, elements))}]" if all(elements) else None
                text = "{" + ", ".join(f'"{one}"' if one is not None else "NULL" for one in value) + "}"
            else:
                replaced = shown(value)
            if replaced is None:
                replaced = ":" + known.setdefault((match[1], text), f"{name}p{len(known)}")
                variables[replaced[1:]] = text
            return replaced

        made.append(re.sub(r"\$(\d+)", put, statement.text) + ";")
    return made


def plain_script(records: int, firm: int) -> Script:
    """Return the textbook claim: no history, no lease, no record of the claim."""
    first = FIRST_CAMPAIGN_ID + firm * len(CAMPAIGNS)
    text = rf"""\set campaign random({first}, {first + len(CAMPAIGNS) - 1})
WITH picked AS MATERIALIZED (
  SELECT firm_id, case_id FROM cases
  WHERE firm_id = :firm{firm}::bigint AND campaign_id = :campaign::bigint AND dialer_role = 1 AND dial_at <= now()
  ORDER BY priority, dial_at, case_id FOR UPDATE SKIP LOCKED LIMIT :records::integer)
UPDATE cases SET dialer_status_id = :status{firm}::bigint, dialer_role = 2, changed_at = now()
FROM picked WHERE cases.firm_id = picked.firm_id AND cases.case_id = picked.case_id
RETURNING cases.*;
"""
    constants = {f"firm{firm}": firm + 1, "records": records, f"status{firm}": 2 + 29 * firm}
    return Script(text, constants)
