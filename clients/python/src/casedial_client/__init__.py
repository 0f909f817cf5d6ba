"""A client for the Predictive Dialer API, as casedial and others speak it.

errors.py    what can go wrong, as one tree
codes.py     which of them a refusal is, by its code
models.py    what the methods take and return
sending.py   how a call is sent, when it is sent again, what a reply means
calls.py     each call, described once
client.py    Client and AsyncClient, which perform them
claim.py     a claim as a block of code
outbox.py    the file in which results wait
courier.py   the thread that delivers them, and holds the claim
testing.py   the sandbox for tests, as a pytest plugin
"""

from casedial_client import errors
from casedial_client.claim import AsyncClaim, Claim
from casedial_client.client import AsyncClient, Client
from casedial_client.errors import CasedialError
from casedial_client.models import (
    Case,
    CaseNote,
    Cases,
    CaseUpdate,
    Explanation,
    Firm,
    Lease,
    Phone,
    Preflight,
    Result,
    Results,
)
from casedial_client.outbox import Outbox, Refused
from casedial_client.sending import Reply

__all__ = [
    "AsyncClaim",
    "AsyncClient",
    "Case",
    "CaseNote",
    "CaseUpdate",
    "CasedialError",
    "Cases",
    "Claim",
    "Client",
    "Explanation",
    "Firm",
    "Lease",
    "Outbox",
    "Phone",
    "Preflight",
    "Refused",
    "Reply",
    "Result",
    "Results",
    "errors",
]
__version__ = "0.1.0"
