"""The rows of the table and what each is to reach."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.book import Book

US = "casedial"
LOOP, LEAN_LOOP = "sqlite3 loop", "lean sqlite3 loop"
# What one firm's key does while another firm asks for one case after the other.
NEIGHBOURS = NAMES, CLAIMS, NOTES = (
    "four clients send 1 MiB of names",
    "eight claim 1,000, 32 claim one",
    "a note by phone of 16 KB to 40,000 cases",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that a row is to reach: ours to ``other`` in ``figure``, at least or, where less is better, at most.

    ``of`` is the row that the other's figure stands in, where it is not the same. ``bound`` None only shows.
    """

    row: str
    figure: str
    other: str
    bound: float | None
    at_most: bool = False
    of: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A goal and what was measured: medians and worst rounds, the ratio of the medians, and the verdict."""

    goal: Goal
    ours: float
    ours_worst: float
    other: float
    other_worst: float
    ratio: float
    worst_ratio: float
    verdict: str


# What a claim is to reach beside own SQL, the in-house server, and pgqueuer.
_CLAIMS = {"claim 25 x 8": (0.9, 5, 1.0), "claim 100 x 8": (0.85, 4, 0.85), "claim 1 x 64": (2.0, 15, 4)}


def _claims() -> list[Goal]:
    goals = []
    for row, (own, inhouse, pgqueuer) in _CLAIMS.items():
        goals.append(Goal(row, "rate", "own SQL", own))
        goals.append(Goal(row, "rate", "in-house", inhouse))
        goals.append(Goal(row, "rate", "pgqueuer", pgqueuer))
        goals += [Goal(row, "rate", other, None, note="to compare") for other in ("plain SQL", "procrastinate")]
    goals.append(Goal("claim 1 x 64", "p99", "own SQL", 1.0, at_most=True))
    return goals


def _growth() -> list[Goal]:
    goals = []
    for filters in ("campaign", "none", "group", "campaign+group"):
        for size in ("100k", "1M", "5M"):
            bound = 1.3 if size == "5M" else None
            row = f"claim, {filters}, {{}} cases"
            goals.append(Goal(row.format(size), "p50", US, bound, True, of=row.format("10k")))
        plain = f"claim, {filters}, {{}} cases, no page images"
        if filters == "none":
            goals.append(Goal(plain.format("5M"), "p50", US, None, True, of=plain.format("10k"), note="orientation"))
    fresh = "claim, fresh"
    return [
        *goals,
        Goal("claim, 1 % of the due", "p50", US, 1.3, True, of="claim, campaign, 1M cases"),
        Goal("claim, rules, all in hours", "p50", US, 2.0, True, of="claim, no rules"),
        Goal("claim, 95 % out of hours, at once", "p50", US, 1.5, True, of="claim, rules, all in hours"),
        Goal("claim, 95 % out of hours, later", "p50", US, 1.5, True, of="claim, rules, all in hours"),
        Goal("claim, after 250,000", "p50", US, 1.5, True, of=fresh),
        Goal("claim, after 125,000, old snapshot", "p50", US, None, True, of=fresh, note="to compare"),
        Goal("claim, after 250,000, old snapshot", "p50", US, 1.5, True, of="claim, after 125,000, old snapshot",
             note="bounded: more claims cost no more"),
        Goal("claim, after 250,000, old snapshot", "p50", US, None, True, of=fresh, note="to compare"),
        Goal("GetCaseInfo, 1M cases", "p50", US, 1.3, True, of="GetCaseInfo, 10k cases"),
        Goal("AddCaseNoteByPhone, 1M cases", "p50", US, 1.3, True, of="AddCaseNoteByPhone, 10k cases"),
    ]  # fmt: skip


GOALS = [
    *_claims(),
    Goal("update 100 x 8", "rate", "own SQL", 0.7),
    *_growth(),
    *(
        Goal(f"neighbours, {load}{where}", "p50", US, 5, True, of=f"neighbours, {load}{where}: quiet")
        for load in NEIGHBOURS
        for where in ("", ", SQLite")
    ),
    *(
        Goal(f"{row}, {way}", "rate", US, None, of=f"{row}, nobody listens", note="to compare")
        for row in ("claim 25 x 8", "update 100 x 8")
        for way in ("a feed", "a feed and three webhooks")
    ),
    *(Goal(f"SQLite claim {n} x 64", "rate", LOOP, bound) for n, bound in ((1, 1.4), (25, 1.5), (100, 1.0))),
    *(Goal(f"SQLite claim {n} x 64", "rate", LEAN_LOOP, None, note="to compare") for n in (1, 25, 100)),
    Goal("import, PostgreSQL", "rate", "20,000/s", 1.0),
    Goal("import, PostgreSQL", "rate", "COPY", None, note="to compare"),
    Goal("import, SQLite", "rate", "30,000/s", 1.0),
    Goal("import, SQLite", "rate", "executemany", None, note="to compare"),
]


def lines(book: Book) -> list[Line]:
    """Return every goal of which both sides were measured."""
    found = [_line(book, goal) for goal in GOALS]
    return [line for line in found if line]


def _line(book: Book, goal: Goal) -> Line | None:
    ours = book.figures(goal.row, US, goal.figure)
    fixed = goal.other.removesuffix("/s").replace(",", "")  # a number of cases a second in the place of a contestant
    other = [float(fixed)] if fixed.isdigit() else book.figures(goal.of or goal.row, goal.other, goal.figure)
    if not ours or not other:
        return None
    worst = max if goal.figure != "rate" else min
    middle, middle_other = _median(ours), _median(other)
    ratio, worst_ratio = middle / middle_other, worst(ours) / middle_other
    return Line(goal, middle, worst(ours), middle_other, worst(other), ratio, worst_ratio, _verdict(goal, ratio))


def _verdict(goal: Goal, ratio: float) -> str:
    if goal.bound is None:
        return "-"
    good = ratio <= goal.bound if goal.at_most else ratio >= goal.bound
    return "PASS" if good else "SHORT"


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
