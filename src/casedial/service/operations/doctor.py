"""Look a database over: what is wrong, what will be, and what to do about it."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from casedial.database import schema
from casedial.database.dialects import Snapshot
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.cases import CasesUnreadable
from casedial.domain.damage import Damage
from casedial.domain.errors import CasedialError, StorageUnavailable
from casedial.domain.firms import Firm
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Role, Status, StatusType
from casedial.places import BUILT
from casedial.service import preflights, refused
from casedial.service.keys import is_reserved
from casedial.service.operations.findings import Finding, Level, Look
from casedial.storage import damage, firms, health, keys, rules, webhooks

_SKEW_WARNS, _SKEW_FAILS = timedelta(seconds=2), timedelta(seconds=30)
_SNAPSHOT_AGE = timedelta(minutes=5)
_SNAPSHOT_TRANSACTIONS = 10_000  # where nobody tells us its age: a busy list has made as many in five minutes
_GRACE = timedelta(seconds=5)  # in which a server returns what ran out
_ANSWERED_FOR = timedelta(hours=1)  # as long as a call may go on
_HELD_FOR = timedelta(hours=24)
_IDLE_FOR = timedelta(hours=1)
_PLACES_AGE = timedelta(days=180)  # new area codes are opened every few months
_FAILING_FOR, _UNDELIVERED_FOR = timedelta(minutes=10), timedelta(hours=1)
_FREE_BYTES = 256 * 1024 * 1024
_WAL_BYTES = 256 * 1024 * 1024


async def examine(store: Store, actor: Actor) -> list[Finding]:
    """Look at everything; never raises for a database that is away, behind or somebody else's."""
    findings = [_places(store.now().date()), *(_files(store.path) if store.path else ())]
    try:
        async with store.read() as tx:
            findings += await _database(tx)
            state = await schema.state(tx)
        findings.append(_schema(state))
        for name, look in _LOOKS.items() if state.at_head else ():
            findings += await _apart(store, name, look)
    except StorageUnavailable as error:
        advice = f"Check that it is running and that the URL is right. {store.advice(error)}".strip()
        findings.append(Finding("database", Level.FAILURE, error.told, advice))
    except CasedialError as error:
        findings.append(Finding("database", Level.FAILURE, error.detail, "Check that the URL is right."))
    return findings


async def glance(store: Store, actor: Actor) -> list[str]:
    """Return which of the checks that cost little, and are of no firm, find something. Raises StorageUnavailable."""
    findings = [_places(store.now().date()), *(_files(store.path) if store.path else ())]
    async with store.read() as tx:
        findings += [*await _database(tx), *await _clock(tx)]
    return sorted({one.check for one in findings if one.level is not Level.OK})


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
        found = f"This could not be checked: {type(error).__name__} in {where}."
        advice = "A row in the database is damaged: restore its table from a backup, or repair the row with SQL."
        return [Finding(name, Level.FAILURE, found, advice)]


def _places(today: date) -> Finding:
    """Tell how old the table is by which a ZIP code and an area code are found."""
    age = today - BUILT
    found = f"The table of ZIP codes and area codes dates from {BUILT} and is {age.days} days old."
    if age <= _PLACES_AGE:
        return Finding("places", Level.OK, found)
    advice = "Install a newer casedial. Until then, people with newer area codes may be called during few hours only."
    return Finding("places", Level.WARNING, found, advice)


def _files(path: Path) -> list[Finding]:
    """Look at the file of a SQLite database: who can read it, whether it can grow."""
    if not path.exists():
        return [
            Finding("files", Level.FAILURE, f"The file {path} does not exist.", "casedial serve makes an empty one.")
        ]
    findings = []
    if path.stat().st_mode & 0o077:
        advice = f"It holds names and phone numbers; close it with: chmod 600 {path}"
        findings.append(Finding("files", Level.WARNING, f"{path} is open to other users.", advice))
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        advice = "SQLite also writes files next to it: give the server's user write access to the file and the folder."
        findings.append(Finding("files", Level.FAILURE, f"{path} or its folder is not writable.", advice))
    free = shutil.disk_usage(path).free
    if free < _FREE_BYTES:
        findings.append(
            Finding(
                "files", Level.WARNING, f"Only {free // 1024 // 1024} MiB of disk space is free.", "Free some space."
            )
        )
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > _WAL_BYTES:
        advice = (
            "A program has been reading the database for a very long time; end it, and the file shrinks at the "
            "next write."
        )
        findings.append(
            Finding("snapshots", Level.WARNING, f"{wal} has grown to {wal.stat().st_size >> 20} MiB.", advice)
        )
    return findings or [Finding("files", Level.OK, f"{path} is closed to other users and has room to grow.")]


async def _database(tx: Transaction) -> list[Finding]:
    found, advice = await tx.dialect.version(tx)
    return [Finding("database", Level.WARNING if advice else Level.OK, found, advice)]


def _schema(state: schema.SchemaState) -> Finding:
    if state.at_head:
        return Finding("schema", Level.OK, f"revision {state.current}")
    found = f"The database is at revision {state.current or 'none'}; this casedial needs {state.head}."
    return Finding(
        "schema", Level.FAILURE, found, "Run casedial migrate; if the database is newer, run the newer casedial."
    )


async def _clock(tx: Transaction) -> list[Finding]:
    """Compare the database's clock, by which leases run, with this machine's."""
    before = tx.now()
    database = await tx.clock()
    after = tx.now()
    skew = max(before - database, database - after, timedelta(0))
    seconds = f"The database's clock and this machine's differ by {skew.total_seconds():.1f} s."
    level = Level.FAILURE if skew > _SKEW_FAILS else Level.WARNING if skew > _SKEW_WARNS else Level.OK
    return [Finding("clock", level, seconds, "Synchronize both with a time server (NTP)." if level else "")]


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
            "Check that a server is running, and read its log. If it is, the claim's row is missing or damaged: "
            f"{_BACK}",
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
            "are In the Dialer under claims that never run out",
            f"Ask the dialer's vendor; then {_BACK}. A claim timeout (casedial firm set) applies to new claims.",
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
    return f"{stuck.firm}: cases that {what}: {stuck.count}{since} (CaseID {named})."


async def _campaigns(tx: Transaction) -> list[Finding]:
    """Look for campaigns without calling rules, and for those whose cases may be called and that nobody claims."""
    findings = []
    now = tx.now()
    for firm in [await firms.load_or_damage(tx, firm_id) for firm_id in await firms.ids(tx)]:
        if isinstance(firm, Damage):  # which _senseless tells
            continue
        campaigns = [campaign for campaign in firm.statuses.of(StatusType.CAMPAIGN) if not campaign.retired]
        without = [c.name for c in campaigns if firm.campaign(c.id).purpose is Purpose.NONE]
        if without:
            found = f"{firm.name}: no calling rules apply in {', '.join(without)}: due cases are given out at any hour."
            advice = "Give each campaign a purpose: casedial campaign set NAME --firm NAME --purpose PURPOSE."
            findings.append(Finding("calling rules", Level.WARNING, found, advice))
        last = await health.last_claim(tx, firm.id)
        idle = last is None or now - last > _IDLE_FOR
        for campaign in campaigns if idle else ():
            findings += await _neglect(tx, firm, campaign, now)
    return findings or [Finding("calling rules", Level.OK, "every campaign has a purpose")]


async def _neglect(tx: Transaction, firm: Firm, campaign: Status, now: datetime) -> list[Finding]:
    decided = firm.campaign(campaign.id)
    if decided.paused:
        return [Finding("campaigns", Level.OK, f"{firm.name}: {campaign.name} is paused.")]
    if decided.purpose is Purpose.NONE:  # nobody knows when somebody should be at work
        return []
    try:
        waiting = await preflights.neglected(tx, firm, campaign, now, _IDLE_FOR)
    except CasesUnreadable:  # which _senseless tells
        return []
    if not waiting:
        return []
    found = f"{firm.name}: for an hour {campaign.name} has had cases that may be called, and no dialer has claimed any."
    return [
        Finding("campaigns", Level.WARNING, found, "Check that the dialer is running and which campaign it asks for.")
    ]


async def _refused(tx: Transaction) -> list[Finding]:
    """Look for reports that dialers send in vain: what they tell of may be dialed once more."""
    findings = []
    for firm, vendor in await refused.lately(tx, tx.now()):
        advice = (
            f"casedial reports refused --firm {firm!r} shows them. Ask the vendor to fix the reports, or add the "
            "missing name."
        )
        level = Level.OK if vendor.is_usual else Level.WARNING
        findings.append(Finding("refused reports", level, f"{firm}: {vendor.found}", advice))
    return findings or [Finding("refused reports", Level.OK, "none")]


async def _keys(tx: Transaction) -> list[Finding]:
    """Look for vendors with a name that casedial signs with: such keys were made by an older one."""
    every, unreadable = await keys.every(tx)
    mistaken = [key for key in every if key.revoked_at is None and is_reserved(key.vendor)]
    advice = "Nobody can use it. Revoke it (casedial key revoke) and make another."
    findings = [Finding("keys", Level.FAILURE, f"Key {one} cannot be read.", advice) for one in unreadable]
    findings += [
        Finding(
            "keys",
            Level.WARNING,
            f"{key.firm_name}: key {key.id} belongs to the vendor {key.vendor!r}, a name that casedial uses for "
            "itself.",
            "Make a key with the vendor's own name (casedial key add), and revoke this one.",
        )
        for key in mistaken
    ]
    return findings or [Finding("keys", Level.OK, "no vendor's name clashes with one that casedial uses itself")]


async def _webhooks(tx: Transaction) -> list[Finding]:
    """Look for endpoints that do not take what they are sent, and for messages that wait for long."""
    clock, standing, (every, unreadable) = await tx.clock(), await webhooks.standing(tx), await webhooks.every(tx)
    mend = "Nothing is sent to it. Restore its row, or delete it with SQL and add it again."
    findings = [Finding("webhooks", Level.FAILURE, f"Webhook {one} cannot be read.", mend) for one in unreadable]
    for one, name in every:
        oldest = standing[one.id].oldest if one.id in standing else None
        if one.disabled_at:
            words = f"said at {one.disabled_at:%Y-%m-%d %H:%M} UTC that it is gone (410)"
        elif one.failing_since and clock - one.failing_since > _FAILING_FOR:
            words = f"has failed since {one.failing_since:%Y-%m-%d %H:%M} UTC: {one.error}"
        elif oldest and clock - oldest > _UNDELIVERED_FOR:
            words = f"has not got what happened at {oldest:%Y-%m-%d %H:%M} UTC: {one.error or 'no server sends it'}"
        else:
            continue
        advice = f"casedial webhook test {one.id} tries it; once it answers, casedial webhook replay {one.id}."
        findings.append(Finding("webhooks", Level.WARNING, f"{name}: webhook {one.id} {words}.", advice))
    return findings or [Finding("webhooks", Level.OK, "none is stuck")]


_SET = "casedial cases set CASEID... --firm NAME"
# What to do about rows that make no sense; a restore brings back what is missing everywhere.
_OF_CLAIMS = (damage.CASE_IDS, damage.ORPHANED, damage.NAMELESS)
_MEND = {
    **dict.fromkeys(
        damage.STATUS.values(),
        "Restore the tables statuses and cases from the same backup, or set the column to null with SQL. Until then "
        "nobody is called for them.",
    ),
    damage.ROLE: "Somebody changed it with SQL: set dialer_role to the role of the status, or to null if it has none.",
    damage.PHONES: "Write the phones again with SQL, as a list of [name, number, primary, text], or restore the case.",
    damage.TIMELESS: f"Give them a time: {_SET} --to-dial --yes",
    damage.CASE_IDS: f"Restore the row, or write its list of the cases with this claim_id again; or {_BACK}",
    damage.NAMELESS: f"Delete it with SQL, or give it the claim_id of its cases. Meanwhile this returns them: {_BACK}",
    damage.ORPHANED: "Restore the firm; or, if it was meant to go, set check_at of these claims to null with SQL.",
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
    findings += map(_undecided, (await rules.in_force(tx, tx.now())).unreadable)
    for firm_id in await firms.ids(tx):
        firm = await firms.load_or_damage(tx, firm_id)
        if isinstance(firm, Damage):
            words = f"{await firms.name_of(tx, firm_id)}: the firm cannot be read ({firm.why})."
            advice = "Restore its rows in firms and statuses from the same backup."
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, advice))
            continue
        try:
            _ = firm.zone
        except Exception:
            words = f"{firm.name}: its time zone is invalid, so every request of its dialers fails."
            advice = f"casedial firm set {firm.name!r} --time-zone ZONE"
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, advice))
        findings += [
            _unreadable(firm, status)
            for status in firm.statuses.of(StatusType.CAMPAIGN)
            if firm.campaign(status.id).unreadable
        ]
        missing = [role for role in Role if role not in {status.role for status in firm.statuses.all}]
        if missing:
            words = f"{firm.name}: it has no Dialer Status for {', '.join(role.name for role in missing)}."
            findings.append(Finding(_SENSELESS, Level.FAILURE, words, "Restore its rows in statuses from a backup."))
    return findings or [Finding(_SENSELESS, Level.OK, "none")]


def _undecided(row: Damage) -> Finding:
    """Say what becomes of a ban or an override that cannot be read."""
    if row.what == rules.BAN:
        words = (
            f"Ban {row.id} cannot be read: without a valid state it applies to all states, and without a valid end "
            "it does not end."
        )
        advice = f"casedial rules list shows it. casedial rules lift {row.id} ends it; then make the ban again."
    else:
        words = f"Override {row.id} cannot be read: the rules that ship with casedial apply instead."
        advice = f"Make it again (casedial rules override, or place), then casedial rules restore {row.id}."
    return Finding(_SENSELESS, Level.FAILURE, words, advice)


def _unreadable(firm: Firm, campaign: Status) -> Finding:
    words = f"{firm.name}: the settings of {campaign.name} cannot be read; nobody is called for it."
    advice = "Make all its settings again: casedial campaign set NAME --firm NAME; then casedial campaign resume NAME."
    return Finding(_SENSELESS, Level.FAILURE, words, advice)


_SENSELESS = "unreadable rows"


async def _snapshots(tx: Transaction) -> Sequence[Finding]:
    old = await tx.dialect.old_snapshots(tx, _SNAPSHOT_AGE, _SNAPSHOT_TRANSACTIONS)
    advice = "Claims get slower until it ends: end it, or set idle_in_transaction_session_timeout."
    return [Finding("snapshots", Level.WARNING, f"{snapshot.what} {_held(snapshot)}.", advice) for snapshot in old] or [
        Finding("snapshots", Level.OK, "none has been open for long")
    ]


def _held(snapshot: Snapshot) -> str:
    if snapshot.age is not None:
        return f"has a transaction open for {snapshot.age}"
    return (
        f"holds a snapshot that is {snapshot.transactions:,} transactions old"
        " (only a role with pg_read_all_stats can see since when)"
    )


_LOOKS: dict[str, Look] = {
    "clock": _clock,
    "claims": _claims,
    "calling rules": _campaigns,
    "snapshots": _snapshots,
    "refused reports": _refused,
    "keys": _keys,
    "webhooks": _webhooks,
    _SENSELESS: _senseless,
}
