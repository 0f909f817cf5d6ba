"""What can follow a reply, for the OpenAPI document: which parts of it the next request takes."""

from __future__ import annotations

from typing import Any

_CLAIM_ID = "$response.header.X-Claim-Id"
# For each method the links of its success: an operation, and where it finds its parameters in the reply.
_LINKS: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "GetCasesToDial": {
        "Look": ("GetCaseInfo_get", {"CaseID": "$response.body#/0/CaseID"}),
        "Report": ("UpdateCaseStatus_post", {"CaseID": "$response.body#/0/CaseID"}),
        "ReportClaimed": ("UpdateCaseStatus_post", {"CaseID": "$response.body#/0/CaseID", "X-Claim-Id": _CLAIM_ID}),
        "Note": ("AddCaseNote_post", {"CaseID": "$response.body#/0/CaseID"}),
        "Extend": ("ExtendClaim_post", {"ClaimID": _CLAIM_ID}),
        "Release": ("ReleaseClaim_post", {"ClaimID": _CLAIM_ID}),
    },
    "GetCaseInfo": {
        "Report": ("UpdateCaseStatus_post", {"CaseID": "$response.body#/CaseID"}),
        "Note": ("AddCaseNote_post", {"CaseID": "$response.body#/CaseID"}),
    },
    "UpdateCaseStatus": {"Look": ("GetCaseInfo_get", {"CaseID": "$response.body#/Results/0/CaseID"})},
    "ReleaseClaim": {"Look": ("GetCaseInfo_get", {"CaseID": "$response.body#/Results/0/CaseID"})},
}


def linked(paths: dict[str, Any]) -> dict[str, Any]:
    """Add to each success of an OpenAPI document's paths what can follow it."""
    for path, operations in paths.items():
        links = {
            name: {"operationId": operation, "parameters": parameters}
            for name, (operation, parameters) in _LINKS.get(path.rpartition("/")[2], {}).items()
        }
        for described in operations.values():
            described["responses"]["200"]["links"] = links
    return paths
