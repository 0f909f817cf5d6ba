"""Beside the specification, for people and tools: what a key may do, why a case may be called or not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from casedial.database.engine import Store
from casedial.domain.errors import CampaignNotAllowed
from casedial.domain.firms import Caller
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service import dialing, judging, preflights
from casedial.service.replies import Reply
from casedial.service.standing import standings
from casedial.web.auth import Authenticator, Scopes, require
from casedial.web.exchange import is_strict
from casedial.web.observe import RequestRecord
from casedial.web.problems import respond
from casedial.wire import requests
from casedial.wire.calling import explain_reply, preflight_reply
from casedial.wire.documents import Document, read_document
from casedial.wire.firms import firm_reply
from casedial.wire.replies import encode

T = TypeVar("T")
Work = Callable[[T, Caller, datetime], Awaitable[Reply]]

_LOOKS = (Scope.READ, Scope.MANAGE)
PATHS = ("/v1/firm", "/v1/cases/{case_id}/explain", "/v1/preflight")


def calling_routes(store: Store, authenticator: Authenticator) -> list[HTTPRouteHandler]:
    """Return the routes. They take a ClientKey, and tell of its firm and campaigns only."""
    counting: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def answer(
        request: Request[Any, Any, Any], method: str, scopes: Scopes, read: Callable[[Document], T], work: Work[T]
    ) -> Response[bytes]:
        record: RequestRecord = request.scope["casedial"]  # type: ignore[typeddict-item]
        record.method, now = method, store.now()
        caller = await authenticator.identify(request.scope, now)
        record.firm, record.key = caller.firm.id, caller.key_id
        if scopes:
            require(caller, scopes)
        document = read_document(request.scope["query_string"], b"", "")
        record.ignored = document.ignored
        with document.read(is_strict(request.scope)):
            asked = read(document)
        reply = await authenticator.while_fresh(request.scope, caller, lambda caller: work(asked, caller, now))
        return respond(record, reply)

    @get(PATHS[0])
    async def firm(request: Request[Any, Any, Any]) -> Response[bytes]:
        async def work(_: None, caller: Caller, now: datetime) -> Reply:
            return Reply(encode(firm_reply(caller)))

        return await answer(request, "Firm", (), requests.no_parameters, work)

    @get(PATHS[1].replace("{case_id}", "{case_id:str}"))
    async def explain(request: Request[Any, Any, Any]) -> Response[bytes]:
        async def work(case_id: int, caller: Caller, now: datetime) -> Reply:
            async with store.read() as tx:
                case = await dialing.get_case_info(tx, caller, case_id)
                verdict = await judging.explain(tx, caller.firm, case, now)
                [standing] = await standings(tx, caller.firm, [case])
            asker = None if Scope.MANAGE in caller.scopes else caller.actor  # the firm's own may know every name
            body = explain_reply(caller.firm, case, verdict, standing, now, asker)
            return Reply(encode(body), cases=1)

        read = partial(requests.explained_case, request.path_params["case_id"])
        return await answer(request, "Explain", _LOOKS, read, work)

    @get(PATHS[2])
    async def preflight(request: Request[Any, Any, Any]) -> Response[bytes]:
        async def work(name: str | None, caller: Caller, now: datetime) -> Reply:
            # One for each firm at a time: it looks at every due case, and claims need the connections.
            async with counting[caller.firm.id], store.read() as tx:
                found = await preflights.preflight(tx, caller.firm, _campaigns(caller, name), now)
            body = preflight_reply(found.due, found.callable, found.without_rules, found.held_back, found.by_hour, now)
            return Reply(encode(body), cases=found.due)

        return await answer(request, "Preflight", _LOOKS, requests.preflight_campaign, work)

    return [firm, explain, preflight]


def _campaigns(caller: Caller, name: str | None) -> tuple[int, ...] | None:
    """Return the campaigns to count: the one that is named (none, where there is no such), or all that the key may."""
    if name is None:
        return tuple(sorted(caller.campaigns)) if caller.campaigns is not None else None
    campaign = caller.firm.statuses.find(StatusType.CAMPAIGN, name)
    if campaign and not caller.may_dial(campaign.id):
        raise CampaignNotAllowed("This key may not be used for this campaign.")
    return (campaign.id,) if campaign else ()
