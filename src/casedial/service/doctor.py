"""Look a database over: what is wrong, what will be, and what to do about it."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from pathlib import Path

from casedial.domain.authors import is_own
from casedial.domain.cases import CasesUnreadable, Firm, Role, Status, StatusType
from casedial.domain.damage import Damage
from casedial.domain.errors import CasedialError, StorageUnavailable
from casedial.domain.rules import Purpose
from casedial.places import BUILT
from casedial.service import calling, refused
from casedial.storage import damage, firms, health, keys, rules, schema
from casedial.storage.engine import Database, Store, Transaction

_SKEW_WARNS, _SKEW_FAILS = timedelta(seconds=2), timedelta(seconds=30)
_SNAPSHOT_AGE = timedelta(minutes=5)
_SNAPSHOT_TRANSACTIONS = 10_000  # where nobody tells us its age: a busy list has made as many in five minutes
_GRACE = timedelta(seconds=5)  # in which a server returns what ran out
_ANSWERED_FOR = timedelta(hours=1)  # as long as a call may go on
_HELD_FOR = timedelta(hours=24)
_IDLE_FOR = timedelta(hours=1)
_PLACES_AGE = timedelta(days=180)  # new area codes are opened every few months
_FREE_BYTES = 256 * 1024 * 1024
_WAL_BYTES = 256 * 1024 * 1024


Look = Callable[[Transaction], Awaitable[Sequence["Finding"]]]


class Level(IntEnum):
    """How bad a finding is; the worst is the exit code, as monitors want it."""

    OK = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and what to do."""

    check: str
    level: Level
    found: str
    advice: str = ""


async def examine(store: Store) -> list[Finding]:
    """Look at everything; never raises for a database that is away, behind or somebody else's."""
    findings = [_places(datetime.now(UTC).date()), *(_files(store.path) if store.path else ())]
    try:
        async with store.read() as tx:
            findings += await _database(tx)
            state = await schema.state(tx)
        findings.append(_schema(state))
        for name, look in _LOOKS.items() if state.at_head else ():
            findings += await _apart(store, name, look)
    except StorageUnavailable as error:
        advice = f"See that it runs and that the URL is right. {store.advice(error)}".strip()
        findings.append(Finding("database", Level.FAILURE, error.told, advice))
    except CasedialError as error:
        findings.append(Finding("database", Level.FAILURE, error.detail, "See that the URL is right."))
    return findings


async def _apart(store: Store, name: str, look: Look) -> list[Finding]:
    """Look at one thing; a row that makes no sense keeps nobody from the others. Raises StorageUnavailable."""
    try:
        async with store.read() as tx:
            return list(await look(tx))
    except StorageUnavailable:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = next((frame.name for frame in reversed(frames) if "casedial" in frame.filename), "")
        found = f"This could not be looked at: {type(error).__name__} in {where}."
        advice = "A row that it reads makes no sense: restore its table from a backup, or mend the row by SQL."
        return [Finding(name, Level.FAILURE, found, advice)]


def _places(today: date) -> Finding:
    """Tell how old the table is by which a ZIP code and an area code are found."""
    age = today - BUILT
    found = f"The table of ZIP codes and area codes is of {BUILT}: {age.days} days old."
    if age <= _PLACES_AGE:
        return Finding("places", Level.OK, found)
    advice = "Install a newer casedial: people with area codes that were opened since may be called at few hours only."
    return Finding("places", Level.WARNING, found, advice)


def _files(path: Path) -> list[Finding]:
    """Look at the file of a SQLite database: who can read it, whether it can grow."""
    if not path.exists():
        return [Finding("files", Level.FAILURE, f"There is no file {path}.", "casedial serve makes an empty one.")]
    findings = []
    if path.stat().st_mode & 0o077:
        advice = f"It holds names and phone numbers: chmod 600 {path}"
        findings.append(Finding("files", Level.WARNING, f"{path} is open to other users.", advice))
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        advice = "SQLite also writes beside its file: give the server's user both."
        findings.append(Finding("files", Level.FAILURE, f"{path} or its folder cannot be written.", advice))
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES:
        findings.append(
            Finding("files", Level.WARNING, f"{free // 1024 // 1024} MiB are free on the disk.", "Make room.")
        )
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > _WAL_BYTES:
        advice = "Something reads for very long; end it, and the file shrinks at the next write."
        findings.append(Finding("snapshots", Level.WARNING, f"{wal} is {wal.stat().st_size >> 20} MiB large.", advice))
    return findings or [Finding("files", Level.OK, f"{path} is the server's own, and can grow.")]


async def _database(tx: Transaction) -> list[Finding]:
    found, good = await health.version(tx)
    if good:
        return [Finding("database", Level.OK, found)]
    if tx.database is Database.SQLITE:
        advice = (
            "This version can corrupt a database in WAL mode, so that is not used: install pysqlite3 (Linux x86-64)."
        )
        return [Finding("database", Level.WARNING, found, advice)]
    return [Finding("database", Level.WARNING, found, "PostgreSQL 14 or newer is supported.")]


def _schema(state: schema.SchemaState) -> Finding:
    if state.at_head:
        return Finding("schema", Level.OK, f"revision {state.current}")
    found = f"The database is at revision {state.current or 'none'}, this casedial is at {state.head}."
    return Finding("schema", Level.FAILURE, found, "Run casedial migrate, or the casedial that made it.")


async def _clock(tx: Transaction) -> list[Finding]:
    """Compare the database's clock, by which leases run, with this machine's."""
    before = datetime.now(UTC)
    database = await tx.clock()
    after = datetime.now(UTC)
    skew = max(before - database, database - after, timedelta(0))
    seconds = f"The database's clock and this machine's differ by {skew.total_seconds():.1f} s."
    level = Level.FAILURE if skew > _SKEW_FAILS else Level.WARNING if skew > _SKEW_WARNS else Level.OK
    return [Finding("clock", level, seconds, "Let both follow a time server." if level else "")]


_BACK = "casedial cases set CASEID... --firm NAME --back-from-dialer --yes"


async def _claims(tx: Transaction) -> list[Finding]:
    """Look for cases that are In the Dialer and will stay there."""
    clock = await tx.clock()
    answered, endless = await health.answered(tx), await health.endless(tx)
    return [
        *_stuck(
            "overdue claims",
            Level.FAILURE,
            await health.overdue(tx, clock - _GRACE),
            "are still In the Dialer after their claim ran out",
            f"See that a server runs, and read its log. Where one does, the claim's row is missing or bad: {_BACK}.",
        ),
        *_stuck(
            "unclaimed cases",
            Level.WARNING,
            await health.unclaimed(tx),
            "are In the Dialer without a claim",
            "A running server gives each a claim within ten seconds.",
        ),
        *_stuck(
            "answered cases",
            _level(answered, clock - _ANSWERED_FOR),
            answered,
            "were dialed, and nobody has said what comes next",
            f"Ask the dialer's vendor to send a Status with the Disposition; then {_BACK}",
        ),
        *_stuck(
            "endless claims",
            _level(endless, clock - _HELD_FOR),
            endless,
            "are In the Dialer by claims that never run out",
            f"Ask the dialer's vendor; then {_BACK}. A claim timeout (casedial firm set) counts for new claims.",
        ),
    ]


def _level(found: Sequence[health.Stuck], since: datetime) -> Level:
    """Tell whether any of these is stuck for long; of others the call may go on."""
    return max(
        (Level.OK if stuck.since and stuck.since > since else Level.WARNING for stuck in found), default=Level.OK
    )


def _stuck(check: str, level: Level, stuck: Sequence[health.Stuck], what: str, advice: str) -> list[Finding]:
    return [Finding(check, level, _words(found, what), advice) for found in stuck] or [Finding(check, Level.OK, "none")]


def _words(stuck: health.Stuck, what: str) -> str:
    named = ", ".join(map(str, stuck.case_ids)) + (", …" if stuck.count > len(stuck.case_ids) else "")
    since = f", the oldest since {stuck.since:%Y-%m-%d %H:%M} UTC" if stuck.since else ""
    return f"{stuck.firm}: {stuck.count} that {what}{since} (CaseID {named})."


async def _campaigns(tx: Transaction) -> list[Finding]:
    """Look for campaigns without calling rules, and for those whose cases may be called and that nobody claims."""
    findings = []
    now = datetime.now(UTC)
    for firm in [await firms.load_or_damage(tx, firm_id) for firm_id in await firms.ids(tx)]:
        if isinstance(firm, Damage):  # which _senseless tells
            continue
        campaigns = [campaign for campaign in firm.statuses.of(StatusType.CAMPAIGN) if not campaign.retired]
        without = [c.name for c in campaigns if firm.campaign(c.id).purpose is Purpose.NONE]
        if without:
            found = f"{firm.name}: none are applied in {', '.join(without)}: every due case is given out, at any hour."
            advice = "Give each a purpose: casedial campaign set NAME --firm NAME --purpose PURPOSE."
            findings.append(Finding("calling rules", Level.WARNING, found, advice))
        last = await health.last_claim(tx, firm.id)
        idle = last is None or now - last > _IDLE_FOR
        for campaign in campaigns if idle else ():
            findings += await _neglect(tx, firm, campaign, now)
    return findings or [Finding("calling rules", Level.OK, "every campaign has a purpose, or there is none")]


async def _neglect(tx: Transaction, firm: Firm, campaign: Status, now: datetime) -> list[Finding]:
    decided = firm.campaign(campaign.id)
    if decided.paused:
        return [Finding("campaigns", Level.OK, f"{firm.name}: {campaign.name} is paused.")]
    if decided.purpose is Purpose.NONE:  # nobody knows when somebody should be at work
        return []
    try:
        waiting = await calling.neglected(tx, firm, campaign, now, _IDLE_FOR)
    except CasesUnreadable:  # which _senseless tells
        return []
    if not waiting:
        return []
    found = f"{firm.name}: {campaign.name} has cases that may be called since an hour, and nobody claims any."
    return [Finding("campaigns", Level.WARNING, found, "See that the dialer runs, and with which campaign it asks.")]


async def _refused(tx: Transaction) -> list[Finding]:
    """Look for reports that dialers send in vain: what they tell of may be dialed once more."""
    findings = []
    for firm, vendor in await refused.lately(tx, datetime.now(UTC)):
        advice = f"casedial reports refused --firm {firm!r} shows them. Ask the vendor to mend it, or add the name."
        level = Level.OK if vendor.is_usual else Level.WARNING
        findings.append(Finding("refused reports", level, f"{firm}: {vendor.found}", advice))
    return findings or [Finding("refused reports", Level.OK, "none")]


async def _keys(tx: Transaction) -> list[Finding]:
    """Look for vendors with a name that casedial signs with: such keys were made by an older one."""
    every, unreadable = await keys.every(tx)
    mistaken = [key for key in every if key.revoked_at is None and is_own(key.vendor)]
    advice = "Revoke it (casedial key revoke) and make another; until then nobody can use it."
    findings = [Finding("keys", Level.FAILURE, f"Key {one} cannot be read.", advice) for one in unreadable]
    findings += [
        Finding(
            "keys",
            Level.WARNING,
            f"{key.firm_name}: key {key.id} is of a vendor {key.vendor!r}, a name that casedial itself signs with.",
            "Make a key with the vendor's own name (casedial key add), and revoke this one.",
        )
        for key in mistaken
    ]
    return findings or [Finding("keys", Level.OK, "every vendor has a name of its own")]


_SET = "casedial cases set CASEID... --firm NAME"
# What to do about rows that make no sense; a restore brings back what is missing everywhere.
_OF_CLAIMS = (damage.CASE_IDS, damage.ORPHANED, damage.NAMELESS)
_MEND = {
    **dict.fromkeys(
        damage.STATUS.values(),
        "Restore the table statuses with the cases, from one backup; or set the column to null, by SQL. Until then "
        "nobody is called for them.",
    ),
    damage.ROLE: "Somebody wrote by SQL: set dialer_role to the role of the status, or to null where it has none.",
    damage.PHONES: "Write the phones anew by SQL, as a list of [name, number, primary, text]; or restore the case.",
    damage.TIMELESS: f"Give them one: {_SET} --to-dial --yes.",
    damage.CASE_IDS: f"Restore the row, or write the list anew, of the cases with this claim_id; or {_BACK}.",
    damage.NAMELESS: f"Delete it by SQL, or give it the claim_id of its cases; {_BACK} returns them meanwhile.",
    damage.ORPHANED: "Restore the firm; or, where it is to be gone, set check_at of these claims to null, by SQL.",
}


async def _senseless(tx: Transaction) -> list[Finding]:
    """Look for rows with which a server can do nothing: it passes them over, and goes on with all others."""
    findings = []
    for found in await damage.senseless(tx):
        what = "claim" if found.what in _OF_CLAIMS else "case"
        many = what if found.count == 1 else f"{what}s"
        joined = "" if found.what in (damage.ROLE, damage.TIMELESS, *_OF_CLAIMS) else "with "
        named = ", ".join(found.ids) + (", …" if found.count > len(found.ids) else "")
        named = f"CaseID {named}" if what == "case" else named
        words = f"{await firms.name_of(tx, found.firm_id)}: {found.count} {many} {joined}{found.what} ({named})."
        findings.append(Finding(_SENSELESS, Level.FAILURE, words, _MEND[found.what]))
    findings += map(_undecided, (await rules.in_force(tx, datetime.now(UTC))).unreadable)
    for firm_id in await firms.ids(tx):
        firm = await firms.load_or_damage(tx, firm_id)
        if isinstance(firm, Damage):
            words = f"{await firms.name_of(tx, firm_id)}: the firm cannot be read ({firm.why})."
            advice = "Restore its rows in firms and statuses, from one backup."
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, advice))
            continue
        try:
            _ = firm.zone
        except Exception:
            words = f"{firm.name}: its time zone is none; every request of its dialers fails."
            advice = f"casedial firm set {firm.name!r} --time-zone ZONE"
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, advice))
        findings += [
            _unreadable(firm, status)
            for status in firm.statuses.of(StatusType.CAMPAIGN)
            if firm.campaign(status.id).unreadable
        ]
        missing = [role for role in Role if role not in {status.role for status in firm.statuses.all}]
        if missing:
            words = f"{firm.name}: it has no dialer status for {', '.join(role.name for role in missing)}."
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, "Restore its rows in statuses from a backup."))
    return findings or [Finding(_SENSELESS, Level.OK, "none")]


def _undecided(row: Damage) -> Finding:
    """Say what becomes of a ban or an override that cannot be read."""
    if row.what == rules.BAN:
        words = (
            f"Ban {row.id} cannot be read: where its state is none it is of all, where its end is no time it goes on."
        )
        advice = (
            f"casedial rules list shows it. casedial rules lift {row.id} ends it; then ban anew what is to be banned."
        )
    else:
        words = f"Override {row.id} cannot be read: what casedial ships counts in its place."
        advice = f"Decide it anew (casedial rules override, or place), and casedial rules restore {row.id}."
    return Finding(_SENSELESS, Level.FAILURE, words, advice)


def _unreadable(firm: Firm, campaign: Status) -> Finding:
    words = f"{firm.name}: what was decided for {campaign.name} cannot be read; nobody is called for it."
    advice = "Decide all of it anew: casedial campaign set NAME --firm NAME; then casedial campaign resume NAME."
    return Finding(_SENSELESS, Level.FAILURE, words, advice)


_SENSELESS = "unreadable rows"


async def _snapshots(tx: Transaction) -> Sequence[Finding]:
    old = await health.old_snapshots(tx, _SNAPSHOT_AGE, _SNAPSHOT_TRANSACTIONS)
    advice = "While it lasts, every claim gets slower: end it, or set idle_in_transaction_session_timeout."
    return [Finding("snapshots", Level.WARNING, f"{snapshot.what} {_held(snapshot)}.", advice) for snapshot in old] or [
        Finding("snapshots", Level.OK, "none held open for long")
    ]


def _held(snapshot: health.Snapshot) -> str:
    if snapshot.age is not None:
        return f"has a transaction open for {snapshot.age}"
    return (
        f"holds a snapshot that {snapshot.transactions:,} transactions have passed"
        " (since when is only shown to a role that has pg_read_all_stats)"
    )


_LOOKS: dict[str, Look] = {
    "clock": _clock,
    "claims": _claims,
    "calling rules": _campaigns,
    "snapshots": _snapshots,
    "refused reports": _refused,
    "keys": _keys,
    _SENSELESS: _senseless,
}
