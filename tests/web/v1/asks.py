"""For each route below /v1 a good call, in which braces stand for things of a firm: what the matrix of firms tries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Things = dict[str, Any]
_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call: its path without /v1/, its query and its body.

    ``telling`` are those things of which a firm's own and nobody's get different replies.
    """

    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    telling: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The things that it names."""
        return sorted(set(_NAME.findall(f"{self.path} {self.query} {self.body}")))

    def filled(self, things: Things) -> tuple[str, dict[str, Any], Any]:
        """Its path, query and body with these things."""
        return str(_filled(self.path, things)), _filled(self.query, things), _filled(self.body, things)


def _filled(value: Any, things: Things) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, things) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, things) for one in value]
    if isinstance(value, str):
        whole = _NAME.fullmatch(value)
        return things[whole[1]] if whole else _NAME.sub(lambda found: str(things[found[1]]), value)
    return value


_FILTERS = {
    "Campaign": "{Campaign}",
    "CaseGroup": "{CaseGroup}",
    "DialerStatus": "{DialerStatus}",
    "Disposition": "{Disposition}",
    "Attempts": "{Attempts}",
    "Phone": "{Phone}",
    "Plaintiff": "{Plaintiff}",
}
_LISTED = {"Number": "{Phone}", "CaseID": "{CaseID}"}
_TELLING = tuple(sorted(_FILTERS))

# By the name of the route; a route that is not here fails the test.
ASKS: dict[str, Ask] = {
    "ListCases": Ask("cases", _FILTERS, telling=_TELLING),
    "PutCases": Ask(
        "cases",
        body={
            "Cases": [
                {
                    "CaseID": "{CaseID}",
                    "Campaign": "{Campaign}",
                    "Disposition": "{Disposition}",
                    "DialerStatus": "{DialerStatus}",
                    "Attempts": "{Attempts}",
                    "Phones": [{"Phone": "{Phone}"}],
                }
            ]
        },
        telling=("Attempts", "Campaign", "CaseID", "DialerStatus", "Disposition"),
    ),
    "ReadCase": Ask("cases/{CaseID}", telling=("CaseID",)),
    "ChangeCase": Ask(
        "cases/{CaseID}",
        body={"Campaign": "{Campaign}", "CaseGroup": "x", "Disposition": "{Disposition}"},
        telling=("Campaign", "CaseID", "Disposition"),
    ),
    "DeleteCase": Ask("cases/{CaseID}", telling=("CaseID",)),
    "BeginChange": Ask(
        "cases/changes",
        body={"Which": {**_FILTERS, "CaseIDs": ["{CaseID}"]}, "Campaign": "{Campaign}"},
        telling=("Attempts", "Campaign", "DialerStatus", "Disposition"),
    ),
    "ListChanges": Ask("cases/changes"),
    "ReadChange": Ask("cases/changes/{ChangeID}", telling=("ChangeID",)),
    "RunChange": Ask("cases/changes/{ChangeID}/run", telling=("ChangeID",)),
    "UndoChange": Ask("cases/changes/{ChangeID}/undo", telling=("ChangeID",)),
    "ListCampaigns": Ask("campaigns"),
    "ReadCampaign": Ask("campaigns/{CampaignID}", telling=("CampaignID",)),
    "ChangeCampaign": Ask(
        "campaigns/{CampaignID}",
        body={"Abroad": True, "Retries": [{"Disposition": "{Disposition}", "AfterSeconds": 60, "AtMost": 1}]},
        telling=("CampaignID", "Disposition"),
    ),
    "PauseCampaign": Ask("campaigns/{CampaignID}/pause", telling=("CampaignID",)),
    "ResumeCampaign": Ask("campaigns/{CampaignID}/resume", telling=("CampaignID",)),
    "ListStatuses": Ask("statuses"),
    "AddStatus": Ask("statuses", body={"Type": "disposition", "Name": "{Disposition}"}, telling=("Disposition",)),
    "OrderStatuses": Ask(
        "statuses/order", body={"Type": "disposition", "Names": ["{Disposition}"]}, telling=("Disposition",)
    ),
    "ChangeStatus": Ask("statuses/{StatusID}", body={"Name": "x", "Retired": True}, telling=("StatusID",)),
    "ListDoNotCall": Ask("do-not-call"),
    "AddToDoNotCall": Ask("do-not-call", body=_LISTED, telling=("CaseID", "Phone")),
    "LookUpDoNotCall": Ask("do-not-call/look-up", body=_LISTED, telling=("CaseID", "Phone")),
    "RemoveFromDoNotCall": Ask("do-not-call/remove", body={**_LISTED, "Reason": "r"}, telling=("CaseID", "Phone")),
    "CountReports": Ask("figures", {"Campaign": "{Campaign}"}, telling=("Campaign",)),
    "ReadChanges": Ask("changes"),
}
