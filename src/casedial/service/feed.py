"""A page of a firm's feed, in a transaction that reads."""

from __future__ import annotations

from casedial.database.engine import Transaction
from casedial.domain.errors import CursorGone
from casedial.domain.feed import Cursor, FeedPage, Place
from casedial.storage import feed, feed_events, firms

WINDOW = 5000  # rows of each source that a page passes over at most, whatever firm they are of


async def begin(tx: Transaction, firm_id: int) -> Cursor:
    """Return the cursor before all that is kept of a firm."""
    return Cursor(Place(), await feed.gone(tx, firm_id))


async def see_whole(tx: Transaction, firm_id: int, after: Cursor) -> None:
    """Raise CursorGone where something behind a cursor was purged, or there never was what is before it."""
    gone = await feed.gone(tx, firm_id)
    start = str(Cursor(Place(), gone))
    if after.place.key < gone and after.gone < gone:
        raise CursorGone(
            "Something behind this cursor was purged before it was read. Read all cases anew, and go on from the end.",
            start,
        )
    if after.place.key > await tx.dialect.given_in_line(tx):
        raise CursorGone(
            "This cursor is from another database, or from a time after its backup. Read all cases anew, and go on "
            "from the end.",
            start,
        )


async def page(tx: Transaction, firm_id: int, after: Cursor, until: int, limit: int) -> FeedPage:
    """Return a firm's events behind a cursor, and up to a key up to which all is settled.

    Raises FirmNotFound and CursorGone.
    """
    await see_whole(tx, firm_id, after)
    if Place(until, feed.END) <= after.place:
        return FeedPage((), after, more=False)
    end = await feed.end_of_window(tx, after.place, until, WINDOW)
    rows, place = await feed.page(tx, firm_id, after.place, end, limit)
    firm = (await firms.load(tx, firm_id))[1]
    events = await feed_events.events(tx, firm, rows)
    return FeedPage(events, Cursor(place, after.gone), more=place < Place(until, feed.END))
