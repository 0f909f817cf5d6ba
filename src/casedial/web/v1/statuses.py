"""The four lists of a firm's statuses: listed, added to, changed, put in order."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.errors import (
    FieldError,
    InvalidParameter,
    StatusExists,
    StatusHasRole,
    StatusNotFound,
    UnknownStatus,
)
from casedial.domain.firms import Firm
from casedial.domain.keys import Scope
from casedial.domain.statuses import Flag, Status, StatusType
from casedial.service.operations import firms, statuses
from casedial.service.operations.statuses import StatusChange
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.v1.statuses import (
    MOST_ORDERED,
    ManagedStatus,
    StatusList,
    StatusPatch,
    listed_type,
    new_status,
    status_order,
    status_patch,
    status_reply,
)

MANAGE = (Scope.MANAGE,)


def _chosen(call: Call) -> Status:
    """Return the status of the path. Raises StatusNotFound."""
    wanted = call.place("status_id", "StatusID", values.case_id)
    found = next((status for status in call.firm.statuses.all if status.id == wanted), None)
    if found is None:
        raise StatusNotFound(f"The firm has no status {wanted}.")
    return found


def _shown(firm: Firm, kind: StatusType | None) -> Reply:
    every = [status for one in StatusType for status in firm.statuses.of(one) if kind in (None, one)]
    return done(StatusList([status_reply(status) for status in every]))


def _list(call: Call) -> Work:
    kind = listed_type(call.query)

    async def work(store: Store) -> Reply:
        return _shown(await firms.show(store, call.actor, call.firm.name), kind)

    return Work(work)


def _add(call: Call) -> Work:
    kind, name = new_status(call.body)

    async def work(store: Store) -> Reply:
        firm = await statuses.add(store, call.actor, call.firm.name, kind, name)
        return done(status_reply(firm.statuses.named(kind, name)))

    return Work(work)


def _change(call: Call) -> Work:
    chosen, body = _chosen(call), call.body
    wanted = status_patch(body)
    if wanted.flags and chosen.type is not StatusType.DISPOSITION:
        detail = f"are for a {StatusType.DISPOSITION.label} only"
        body.refuse(InvalidParameter(f"Flags {detail}.", [FieldError("#/Flags", detail)]))
    change = _meant(chosen, wanted)

    async def work(store: Store) -> Reply:
        firm = await statuses.change(store, call.actor, call.firm.name, chosen.type, chosen.name, change)
        return done(status_reply(firm.statuses.named(chosen.type, change.name or chosen.name)))

    return Work(work)


def _meant(now: Status, wanted: StatusPatch) -> StatusChange:
    """Return what differs from what a status is: it may be sent back as it was read, with one field changed."""
    flags = frozenset(wanted.flags) if wanted.flags is not None else now.flags
    return StatusChange(
        None if wanted.name == now.name else wanted.name,
        None if flags == now.flags else flags,
        None if wanted.retired == now.retired else wanted.retired,
    )


def _order(call: Call) -> Work:
    body = call.body
    kind, names = status_order(body)
    for place, name in enumerate(names):
        if kind and call.firm.statuses.find(kind, name) is None:
            detail = f"{name[:80]!r} is not one of the firm's {kind.label} names."
            body.refuse(UnknownStatus(detail, [FieldError(f"#/Names/{place}", detail)]))

    async def work(store: Store) -> Reply:
        return _shown(await statuses.reorder(store, call.actor, call.firm.name, kind, names), kind)

    return Work(work)


STATUS: Schema = {
    "StatusID": 7,
    "Type": "Last Dialer Disposition",
    "Name": "No Answer",
    "Role": None,
    "Flags": ["attempt"],
    "Retired": False,
}
_BUSY: Schema = {**STATUS, "StatusID": 6, "Name": "Busy"}
_TYPE: Schema = {
    "type": "string",
    "enum": [kind.label for kind in StatusType],
    "description": "The type, or its first word.",
}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_PATH = {"status_id": {"type": "integer", "minimum": 1, "description": "Its StatusID, which no rename changes."}}
_FLAGS: Schema = {
    "type": "array",
    "items": {"type": "string", "enum": list(Flag)},
    "description": "What a disposition means: attempt (somebody was called), conversation, opt-out, final.",
}


def _object(properties: dict[str, Schema], *required: str) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


ROUTES = (
    Route(
        "GET",
        "/v1/statuses",
        "ListStatuses",
        MANAGE,
        _list,
        Described(
            "Lists the statuses, of one type or of all",
            StatusList,
            {"Statuses": [_BUSY, STATUS]},
            query={"Type": _TYPE},
        ),
    ),
    Route(
        "POST",
        "/v1/statuses",
        "AddStatus",
        MANAGE,
        _add,
        Described(
            "Adds a status at the end of its list",
            ManagedStatus,
            {**STATUS, "StatusID": 31, "Name": "Wrong Number"},
            body=_object({"Type": _TYPE, "Name": _NAME}, "Type", "Name"),
            sent={"Type": "Last Dialer Disposition", "Name": "Wrong Number"},
            errors=(StatusExists,),
        ),
    ),
    Route(
        "POST",
        "/v1/statuses/order",
        "OrderStatuses",
        MANAGE,
        _order,
        Described(
            "Puts statuses of a type first, in this order; the others follow as they were",
            StatusList,
            {"Statuses": [STATUS, _BUSY]},
            body=_object(
                {"Type": _TYPE, "Names": {"type": "array", "minItems": 1, "maxItems": MOST_ORDERED, "items": _NAME}},
                "Type",
                "Names",
            ),
            sent={"Type": "Last Dialer Disposition", "Names": ["No Answer", "Busy"]},
            errors=(UnknownStatus,),
        ),
    ),
    Route(
        "PATCH",
        "/v1/statuses/{status_id}",
        "ChangeStatus",
        MANAGE,
        _change,
        Described(
            "Renames a status, says what it means, retires it or takes it back into use",
            ManagedStatus,
            {**STATUS, "Name": "No answer", "Flags": ["attempt"]},
            body=_object({"Name": _NAME, "Flags": _FLAGS, "Retired": {"type": "boolean"}}),
            sent={"Name": "No answer"},
            errors=(StatusNotFound, StatusExists, StatusHasRole),
            path=_PATH,
            detail="What is absent stays as it is; a status's cases and history stay, whatever it is called.",
        ),
    ),
)
