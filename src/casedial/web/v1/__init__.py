"""The firm's own systems: paths below /v1, for keys of the scopes manage and feed (decision 56).

routing.py     what a route is, and which one a path and a verb are for
calls.py       a request as a route reads it; the work that it makes of it, and the reply
door.py        every call: who asks, the body, its turn, once for each Idempotency-Key, the reply
describing.py  the part of the OpenAPI document that the routes say of themselves
routes.py      all routes; a file for each subject has its own

A route reads its call, every field, and returns its ``Work``, which calls one operation. In a file of a subject:

    def _read_case(call: Call) -> Work:
        case_id = call.place("case_id", "CaseID", values.case_id)

        async def work(store: Store) -> Reply:
            return done(case_reply(await cases.show(store, call.actor, call.firm.name, case_id)), cases=1)

        return Work(work)

    ROUTES = (Route("GET", "/v1/cases/{case_id}", "ReadCase", (Scope.MANAGE,), _read_case, Described(…)),)

What is not asked for is refused, and so is all that is wrong with a field, together, when the route has returned. The
store that ``work`` gets is inside the transaction in which the caller is proven and the reply is kept, unless the route
says that it is ``apart``: then it is the store itself, and what it does may be done twice.
"""
