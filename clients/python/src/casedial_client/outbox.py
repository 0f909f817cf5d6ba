"""The outbox: a small SQLite file in which results wait until the server has them.

``entries`` are reports and notes, in the order in which they were made; ``claims`` and ``held`` are the cases that were
claimed and not worked yet, so that whoever opens the file after a crash can give them back. Everything is on the disk
before a method returns. One connection has the file to itself; SQLite's lock on it ends with the process, however that
ends. (So there is no second connection either that SQLite's flaw of resetting a log under two could concern.)
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from casedial_client.errors import CasedialError, OutboxForeign, OutboxInUse, OutboxUnusable
from casedial_client.models import Case, CaseNote, CaseUpdate
from casedial_client.sending import new_key

BUSY_SECONDS = 1.0  # for which a process that just ends is waited for

# held.state: waiting (not handed out yet), out (being worked), done (a result is in entries), back (to be given back)
_TABLES = """
CREATE TABLE IF NOT EXISTS owner (name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claims (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, wanted TEXT NOT NULL, begun REAL NOT NULL, claim_id TEXT
);
CREATE TABLE IF NOT EXISTS held (
    claim INTEGER NOT NULL, case_id INTEGER NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL, due TEXT,
    PRIMARY KEY (claim, case_id)
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, case_id INTEGER NOT NULL, claim_id TEXT,
    kind TEXT NOT NULL, body TEXT NOT NULL, made REAL NOT NULL, sent REAL, sent_by TEXT,
    code TEXT, detail TEXT, request_id TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A report or a note on its way.

    ``sent`` is when it was sent first, if that may have arrived, ``sent_by`` by which key.
    """

    id: int
    key: str
    content: CaseUpdate | CaseNote
    claim_id: str | None
    sent: float | None
    sent_by: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A report or a note that the server refused for good, and why. It is kept until it is forgotten or tried again."""

    id: int
    content: CaseUpdate | CaseNote
    claim_id: str | None
    code: str
    detail: str
    request_id: str | None
    made: datetime


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Cases of one claim that are to be given back; each with the status and the time that it had before."""

    claim: int
    claim_id: str
    before: tuple[CaseUpdate, ...]

    @property
    def case_ids(self) -> list[int]:
        """Return the CaseIDs."""
        return [update.case_id for update in self.before]


@dataclass(frozen=True, slots=True)
class BegunClaim:
    """A claim that was asked for, and whose reply is not known."""

    claim: int
    key: str
    wanted: dict[str, Any]
    begun: float


class Outbox:
    """One file of results. Raises OutboxInUse where somebody has it open, OutboxUnusable where it cannot be used.

    A claim opens its own; open it yourself, while no dialer runs, to see what was ``refused``. Threads may share one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._process = os.getpid()
        try:
            _make(self.path)
            self._db = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise OutboxUnusable(f"{self.path} cannot be opened: {error}.") from error
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA fullfsync = ON")  # what macOS calls a sync reaches the disk only then
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise OutboxInUse(f"{self.path} is in use.") from None
            raise self._unusable(error) from error
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others have the file."""
        with self._lock:
            self._db.close()

    def waiting(self) -> int:
        """Return how many results are not delivered yet."""
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM entries WHERE code IS NULL").fetchone()[0])

    def refused(self) -> list[Refused]:
        """Return what was refused for good, the oldest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT id, kind, body, claim_id, code, detail, request_id, made FROM entries WHERE code IS NOT NULL"
                " ORDER BY id"
            ).fetchall()
        return [
            Refused(id, _content(kind, body), claim_id, code, detail, request_id, _moment(made))
            for id, kind, body, claim_id, code, detail, request_id, made in rows
        ]

    def forget(self, refused: Refused) -> None:
        """Remove something refused, once it has been seen to."""
        with self._writing() as db:
            db.execute("DELETE FROM entries WHERE id = ? AND code IS NOT NULL", (refused.id,))

    def retry(self, refused: Refused) -> None:
        """Have something refused delivered again, as a new request: the firm has the missing status now, say."""
        with self._writing() as db:
            db.execute(
                "UPDATE entries SET code = NULL, sent = NULL, key = ? WHERE id = ? AND code IS NOT NULL",
                (new_key(), refused.id),
            )

    def readdress(self) -> None:
        """Let what is here go to another address, or to the firm under its new name."""
        with self._writing() as db:
            db.execute("DELETE FROM owner")

    def belongs_to(self, owner: str) -> None:
        """Note for whom this outbox is. Raises OutboxForeign where it still holds something for somebody else."""
        with self._writing() as db:
            known = db.execute("SELECT name FROM owner").fetchone()
            is_used = db.execute("SELECT EXISTS (SELECT 1 FROM entries) OR EXISTS (SELECT 1 FROM claims)").fetchone()[0]
            if known and known[0] != owner and is_used:
                raise OutboxForeign(f"{self.path} holds results for {known[0]}, not for {owner}.")
            db.execute("DELETE FROM owner")
            db.execute("INSERT INTO owner VALUES (?)", (owner,))

    # What a claim does.

    def take_over(self) -> list[int]:
        """Have the cases that were not handed out before a crash given back; return those that were being worked.

        Nobody knows whether their phone rang, so these are left until their lease ends.
        """
        with self._writing() as db:
            out = db.execute("SELECT case_id FROM held WHERE state = 'out' ORDER BY case_id").fetchall()
            db.execute("DELETE FROM held WHERE state = 'out'")
            db.execute("UPDATE held SET state = 'back' WHERE state = 'waiting'")
            _clear(db)
        return [case_id for (case_id,) in out]

    def begin(self, key: str, wanted: dict[str, Any]) -> int:
        """Note that a claim is about to be asked for; return its number here."""
        with self._writing() as db:
            values = (key, msgspec.json.encode(wanted).decode(), time.time())
            return int(db.execute("INSERT INTO claims (key, wanted, begun) VALUES (?, ?, ?)", values).lastrowid or 0)

    def begun(self, but: int | None) -> BegunClaim | None:
        """Return a claim of which nobody knows what became; ``but`` is the one that is being asked for now."""
        with self._reading() as db:
            query = "SELECT id, key, wanted, begun FROM claims WHERE claim_id IS NULL AND id IS NOT ? LIMIT 1"
            row = db.execute(query, (but,)).fetchone()
        return BegunClaim(row[0], row[1], msgspec.json.decode(row[2]), row[3]) if row else None

    def claimed(self, claim: int, claim_id: str, cases: Sequence[Case], state: str = "waiting") -> None:
        """Note what a claim holds."""
        with self._writing() as db:
            db.execute("UPDATE claims SET claim_id = ? WHERE id = ?", (claim_id, claim))
            db.executemany(
                "INSERT INTO held VALUES (?, ?, ?, ?, ?)",
                [(claim, case.case_id, state, case.dialer_status, _text(case.dial_date_time)) for case in cases],
            )

    def abandon(self, claim: int) -> None:
        """Forget a claim that came to nothing."""
        with self._writing() as db:
            db.execute("DELETE FROM held WHERE claim = ?", (claim,))
            db.execute("DELETE FROM claims WHERE id = ?", (claim,))

    def hand_out(self, claim: int, case_id: int) -> None:
        """Note that somebody works a case from now on."""
        self._move(claim, [case_id], "out", ("waiting",))

    def give_back(self, claim: int, case_ids: Sequence[int]) -> None:
        """Have cases given back for which nothing was reported."""
        self._move(claim, case_ids, "back", ("waiting", "out"))

    def _move(self, claim: int, case_ids: Sequence[int], state: str, before: Sequence[str]) -> None:
        query = f"UPDATE held SET state = ? WHERE claim = ? AND case_id = ? AND state IN {tuple(before) * 2}"  # noqa: S608
        with self._writing() as db:
            db.executemany(query, [(state, claim, case_id) for case_id in case_ids])

    def add(self, content: CaseUpdate | CaseNote, claim: int, claim_id: str | None) -> None:
        """Take a report or a note; it is on the disk when this returns."""
        kind = "report" if isinstance(content, CaseUpdate) else "note"
        values = (new_key(), content.case_id, claim_id, kind, msgspec.json.encode(content).decode(), time.time())
        with self._writing() as db:
            db.execute(
                "INSERT INTO entries (key, case_id, claim_id, kind, body, made) VALUES (?, ?, ?, ?, ?, ?)", values
            )
            if kind == "report":
                db.execute("UPDATE held SET state = 'done' WHERE claim = ? AND case_id = ?", (claim, content.case_id))

    def not_reported(self, claim: int) -> tuple[list[int], list[int]]:
        """Return the cases of a claim that were not handed out, and those that were and are not reported."""
        with self._reading() as db:
            rows = db.execute("SELECT case_id, state FROM held WHERE claim = ? ORDER BY case_id", (claim,)).fetchall()
        return [id for id, state in rows if state == "waiting"], [id for id, state in rows if state == "out"]

    # What the courier does.

    def held(self, claim: int) -> list[int]:
        """Return the cases that a claim has to hold: not handed out, being worked, or reported and not delivered."""
        with self._reading() as db:
            query = "SELECT case_id FROM held WHERE claim = ? AND state <> 'back' ORDER BY case_id"
            return [case_id for (case_id,) in db.execute(query, (claim,))]

    def next_entry(self, put_off: Sequence[int]) -> Entry | None:
        """Return what is to be delivered next: the first of each case, the oldest case first, none that is put off."""
        earlier = "SELECT 1 FROM entries WHERE case_id = entry.case_id AND id < entry.id AND code IS NULL"
        query = (
            "SELECT id, key, kind, body, claim_id, sent, sent_by, case_id FROM entries AS entry"  # noqa: S608
            f" WHERE code IS NULL AND NOT EXISTS ({earlier}) ORDER BY id"
        )
        with self._reading() as db:
            rows = db.execute(query)
            row = next((row for row in rows if row[-1] not in put_off), None)
            rows.close()
        return Entry(row[0], row[1], _content(row[2], row[3]), *row[4:7]) if row else None

    def note_sent(self, entry: Entry, by: str | None) -> None:
        """Note that an entry may arrive from now on; None: that it has surely not."""
        with self._writing() as db:
            db.execute("UPDATE entries SET sent = ?, sent_by = ? WHERE id = ?", (by and time.time(), by, entry.id))

    def delivered(self, entry: Entry) -> None:
        """Remove what the server has."""
        with self._writing() as db:
            db.execute("DELETE FROM entries WHERE id = ?", (entry.id,))
            _let_go(db, entry.content.case_id)

    def refuse(self, entry: Entry, error: CasedialError) -> None:
        """Keep what the server refused for good, with the reason."""
        with self._writing() as db:
            db.execute(
                "UPDATE entries SET code = ?, detail = ?, request_id = ? WHERE id = ?",
                (error.code, error.detail, error.request_id, entry.id),
            )
            _let_go(db, entry.content.case_id)

    def to_give_back(self) -> GivenBack | None:
        """Return the cases of one claim that are to be given back."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT claim, claim_id, case_id, status, due FROM held JOIN claims ON claims.id = claim"
                " WHERE state = 'back' ORDER BY claim, case_id"
            ).fetchall()
        some = [row for row in rows if row[0] == rows[0][0]]
        before = tuple(
            CaseUpdate(id, status or None, due and datetime.fromisoformat(due)) for _, _, id, status, due in some
        )
        return GivenBack(rows[0][0], rows[0][1], before) if rows else None

    def given_back(self, given: GivenBack) -> None:
        """Remove what was given back."""
        with self._writing() as db:
            query = "DELETE FROM held WHERE claim = ? AND case_id = ? AND state = 'back'"
            db.executemany(query, [(given.claim, case_id) for case_id in given.case_ids])
            _clear(db)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if os.getpid() != self._process:
                raise OutboxInUse(f"{self.path} belongs to the process that opened it, not to its children.")
            try:
                yield self._db
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _unusable(self, error: sqlite3.Error) -> OutboxUnusable:
        return OutboxUnusable(f"{self.path} cannot be used: {error}.")


def _make(path: Path) -> None:
    """Make the file where there is none, for its owner's eyes only, with its name on the disk, too."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _content(kind: str, body: str) -> CaseUpdate | CaseNote:
    return msgspec.json.decode(body, type=CaseUpdate) if kind == "report" else msgspec.json.decode(body, type=CaseNote)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _let_go(db: sqlite3.Connection, case_id: int) -> None:
    """Hold a case no longer for reports that are all delivered."""
    waiting = "SELECT 1 FROM entries WHERE case_id = held.case_id AND kind = 'report' AND code IS NULL"
    db.execute(f"DELETE FROM held WHERE case_id = ? AND state = 'done' AND NOT EXISTS ({waiting})", (case_id,))  # noqa: S608
    _clear(db)


def _clear(db: sqlite3.Connection) -> None:
    """Remove claims of which nothing is left."""
    db.execute("DELETE FROM claims WHERE claim_id IS NOT NULL AND id NOT IN (SELECT claim FROM held)")
