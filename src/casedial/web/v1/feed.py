"""The feed: what happened to the firm's cases."""

from __future__ import annotations

import asyncio

from casedial.database.engine import Store
from casedial.domain.errors import CallerLeft, CursorGone
from casedial.domain.feed import LONGEST_WAIT, MOST_EVENTS, Cursor, FeedPage
from casedial.domain.keys import Scope
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire.v1.feed import AT_END, END, FeedPageReply, cursor, feed_page, wait

USUAL = 100  # events of a page


def _changes(call: Call) -> Work:
    after = call.query.optional("After", cursor)
    limit = call.limit(MOST_EVENTS, USUAL)
    seconds = call.query.optional("Wait", wait) or 0

    async def work(store: Store) -> Reply:
        page = await _unless_left(call, after, limit, seconds)
        return done(feed_page(page, call.firm.zone), cases=len(page.events))

    return Work(work)


async def _unless_left(call: Call, after: Cursor | None, limit: int, seconds: int) -> FeedPage:
    """Read a page, and wait for it as long as the client does. Raises CallerLeft."""
    reading = asyncio.ensure_future(_page(call, after, limit, seconds))
    left = asyncio.ensure_future(call.departure.begin().wait())
    try:
        await asyncio.wait((reading, left), return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise CallerLeft("The caller left before there was anything to tell.")
        return await reading
    finally:
        reading.cancel()
        left.cancel()
        call.departure.forget()


async def _page(call: Call, after: Cursor | None, limit: int, seconds: int) -> FeedPage:
    feed, firm_id = call.feed, call.firm.id
    if after is None:
        after = await feed.begin(firm_id)
    elif after == AT_END:
        after = await feed.newest(firm_id)
    return await feed.wait(firm_id, after, limit, seconds)


_QUERY: dict[str, Schema] = {
    "After": {
        "type": "string",
        "description": "`Cursor` of the page before, or `end`: what happens from now on. "
        "Without it all is told that is kept.",
    },
    "Limit": {"type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": USUAL},
    "Wait": {
        "type": "integer",
        "minimum": 0,
        "maximum": LONGEST_WAIT,
        "default": 0,
        "description": "For how many seconds to wait where there is nothing: the reply comes as soon as there is.",
    },
}
_DETAIL = (
    "Every change is told once, to everybody in the same order: of a case that in which it was done. A page may have "
    "no events; its `Cursor` goes on all the same. Where a transaction is still open, it waits for it. "
    f"`After={END}` begins behind all that has happened: take that cursor, then list the cases, then go on from it."
)
_EXAMPLE: Schema = {
    "Events": [
        {
            "ID": "h48213",
            "Kind": "case.updated",
            "CaseID": 6,
            "CaseIDs": [],
            "At": "2026-11-24T13:05:00.000Z",
            "By": "Acme Dialer",
            "ByKind": "key",
            "Before": {"Disposition": "Busy"},
            "After": {"Disposition": "No Answer"},
            "ClaimID": "0c0ffee0-6e0f-4b53-9d5c-2f6a54f3a3f5",
            "Why": "",
            "Note": "",
        }
    ],
    "Cursor": "1-48213-1-0",
    "More": False,
}
ROUTES = (
    Route(
        "GET",
        "/v1/changes",
        "ReadChanges",
        (Scope.MANAGE, Scope.FEED),
        _changes,
        Described(
            "Tells what happened since, and waits for what comes",
            FeedPageReply,
            _EXAMPLE,
            query=_QUERY,
            errors=(CursorGone,),
            detail=_DETAIL,
        ),
        apart=True,
    ),
)
