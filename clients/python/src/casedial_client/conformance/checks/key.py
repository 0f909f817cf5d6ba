"""Header: X-ApiKey."""

from __future__ import annotations

from typing import Any

from casedial_client.conformance.judging import Fails, check
from casedial_client.conformance.options import METHODS
from casedial_client.conformance.trial import NOBODYS, Trial

_UNKNOWN = "0f3a7d51b8c2e496d07f5b1ca83e92d64"  # looks like the published example, and is nobody's
_ASKED: dict[str, dict[str, Any]] = {
    "GetCasesToDial": {"Records": 1},
    "GetCaseInfo": {"CaseID": NOBODYS},
    "UpdateCaseStatus": {"Cases": [{"CaseID": NOBODYS}]},
    "AddCaseNote": {"CaseID": NOBODYS, "Note": "casedial conformance"},
    "AddCaseNoteByPhone": {"Phone": "0000000000", "Note": "casedial conformance"},
}


@check("Header")
def key_is_required(trial: Trial) -> None:
    """A request without X-ApiKey is refused.

    Every method is called without the header; none of these calls would change anything. A
    refusal is 401 or 403, or 400.
    """
    _all_are_refused(trial, None)


@check("Header")
def key_is_known(trial: Trial) -> None:
    """A key that the firm gave to nobody is refused.

    Every method is called with a key that looks like the published example.
    """
    _all_are_refused(trial, _UNKNOWN)


def _all_are_refused(trial: Trial, key: str | None) -> None:
    for method in METHODS:
        exchange = trial.wire.call(method, _ASKED[method], key=key)
        # 404 and the like may be about the case, which is looked up after the key has been found good.
        if exchange.status not in (400, 401, 403):
            raise Fails("a refusal, such as 401", exchange)
