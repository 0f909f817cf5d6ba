"""What a run left in the database, judged: nothing twice, nothing lost, oldest first, no campaign run dry."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.machine import Postgres
from casedial.domain.reasons import ReasonCode

_STILL_SECONDS = 3.0


class Wrong(Exception):
    """A run did not do what it was to do: its figures do not count."""


# One row of numbers, in the order of the names below. A claim whose caller had left at the end of a run was given back:
# its cases may be claimed again, and do not tell of an order.
_QUERY = """
WITH held AS (SELECT firm_id, case_id, claim_id, campaign_id, COALESCE(redial_at, dial_at) AS at FROM cases
  WHERE dialer_role = 2),
lists AS (SELECT c.id, c.firm_id, c.case_ids, c.id IN (SELECT claim_id FROM held) AS kept FROM claims c),
listed AS (SELECT id, firm_id, kept, x::bigint AS case_id FROM lists, json_array_elements_text(case_ids) AS x),
back AS (SELECT firm_id, case_id FROM listed WHERE NOT kept),
left_over AS (SELECT campaign_id, min((extract(epoch FROM dial_at)::bigint, case_id)) AS first
  FROM cases c WHERE dialer_role = 1
    AND NOT EXISTS (SELECT FROM back b WHERE (b.firm_id, b.case_id) = (c.firm_id, c.case_id)) GROUP BY campaign_id),
taken AS (SELECT campaign_id, max((extract(epoch FROM at)::bigint, case_id)) AS last FROM held h
  WHERE NOT EXISTS (SELECT FROM back b WHERE (b.firm_id, b.case_id) = (h.firm_id, h.case_id)) GROUP BY campaign_id)
SELECT (SELECT count(*) FROM lists WHERE kept),
  (SELECT count(*) FROM lists WHERE json_array_length(case_ids) <> {records}),
  (SELECT count(*) FROM listed WHERE kept), (SELECT count(DISTINCT (firm_id, case_id)) FROM listed WHERE kept),
  (SELECT count(*) FROM held),
  (SELECT count(*) FROM held JOIN listed l USING (firm_id, case_id) WHERE l.id = held.claim_id),
  (SELECT count(*) FROM status_history h JOIN held USING (firm_id, case_id) WHERE h.claim_id = held.claim_id),
  (SELECT count(*) FROM taken t LEFT JOIN left_over l USING (campaign_id) WHERE l.first IS NULL OR t.last > l.first),
  (SELECT count(*) FROM back),
  (SELECT count(*) FROM listed l JOIN status_history h USING (firm_id, case_id)
    WHERE NOT kept AND h.claim_id = l.id AND h.reason_code = {released})
"""
_NAMES = ("claims", "odd", "listed", "distinct", "held", "agreeing", "recorded", "disorderly", "back", "released")


def counted(postgres: Postgres, database: str, plain: bool = False, records: int = 1) -> int:
    """Return how many claims there are; of the textbook claim, which keeps none, how many there must have been."""
    query = "SELECT count(DISTINCT claim_id) FROM cases WHERE dialer_role = 2"  # not those that were given back
    if plain:
        query = f"SELECT count(*) / {records} FROM cases WHERE dialer_role = 2"
    return settled(lambda: int(postgres.number(database, query)))


def claims(
    postgres: Postgres, database: str, records: int, plain: bool = False, in_order: bool = True, full: bool = True
) -> int:
    """Judge everything that was claimed; return how many cases that is. Raises Wrong.

    ``in_order``: every campaign was claimed from by nothing but its name, so that its oldest cases must be gone.
    ``full``: every claim had as many cases as were asked for; under calling rules one may look at so many in vain that
    it brings fewer.
    """
    # min and max know no pairs, but arrays.
    query = _QUERY.replace("min((", "min(ARRAY[").replace("max((", "max(ARRAY[")
    query = query.replace("::bigint, case_id))", "::bigint, case_id])")
    query = query.format(records=records, released=int(ReasonCode.RELEASED))
    numbers = dict(zip(_NAMES, map(int, postgres.sql(database, query)[0]), strict=True))
    held = numbers["held"]
    right = held > 0 and not (in_order and numbers["disorderly"])
    if plain:
        right = right and held % records == 0
    else:
        same = {numbers[name] for name in ("listed", "distinct", "held", "agreeing", "recorded")}
        right = right and len(same) == 1 and numbers["back"] == numbers["released"]
        right = right and (not full or (not numbers["odd"] and held == numbers["claims"] * records))
    if not right:
        raise Wrong(f"{database}: claims of {records} left {numbers}")
    return held


def settled(count: Callable[[], int]) -> int:
    """Return a count that has been the same for a while: a server still ends the calls that wrk did not wait for.

    A batch of them may take a second, and a claim of it whose caller has left is given back by a later one.
    """
    before, since = -1, time.monotonic()
    while time.monotonic() - since < _STILL_SECONDS:
        if (now := count()) != before:
            before, since = now, time.monotonic()
        time.sleep(0.5)
    return before


def answered(calls: int, done: int, clients: int, what: str) -> None:
    """Compare the replies that arrived with the work that was done: only calls cut off at the end may differ."""
    if not 0 <= done - calls <= clients:
        raise Wrong(f"{what}: {calls} calls were answered, {done} were done, by {clients} clients")
