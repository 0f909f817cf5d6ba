"""The published text, sentence by sentence and in its order: each in our own short words.

Each is tried by checks, or is one that cannot be tried from outside, with the reason. A list or an example belongs to
the sentence before it.
"""

from __future__ import annotations

from dataclasses import dataclass

_SHAPES = (
    "case-id-is-a-number",
    "phones-are-as-shown",
    "texts-are-text",
    "attempts-are-text",
    "dial-date-time-is-local",
)
_DUE = ("past-is-returned", "future-is-not-returned", "due-by-the-firms-clock")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence: where it stands, what it says, and the checks that try it, or why there are none."""

    section: str
    words: str
    checks: tuple[str, ...] = ()
    untried: str = ""


def _tried(section: str, words: str, *checks: str) -> Sentence:
    return Sentence(section, words, checks)


def _untried(section: str, words: str, reason: str) -> Sentence:
    return Sentence(section, words, untried=reason)


_HEADER = (
    _tried("Header", "every request has the header X-ApiKey with the ClientKey", "key-is-required"),
    _tried("Header", "an example of a key", "key-is-known"),
    _untried(
        "Header",
        "a key is for one vendor and one firm",
        "A run has one key, and does not know what other firms have.",
    ),
)

_CONFIGURATION = (
    _untried("Configuration", "the system has to be configured for dialing", "The firm does that, not by the API."),
    _untried("Configuration", "what follows is the typical configuration", "It only announces what follows."),
    _tried(
        "Configuration",
        "there are four types of status",
        "dialer-statuses-are-there",
        "disposition-is-taken",
        "only-that-campaign",
        "attempts-from-0-to-20-are-there",
    ),
    _tried("Configuration", "Dialer Status says whether a case goes to a dialer", "only-to-dial"),
    _tried("Configuration", "typical: To Dial, In the Dialer, Do not Dial", "dialer-statuses-are-there"),
    _tried("Configuration", "Last Dialer Disposition is the result of the last call", "disposition-is-taken"),
    _tried("Configuration", "typical: Never Dialed to Successful", "disposition-is-taken"),
    _tried("Configuration", "Campaign Status tells campaigns apart", "only-that-campaign"),
    _untried("Configuration", "campaigns have no standard names", "Names are the firm's own."),
    _tried("Configuration", "Attempts Status counts attempts", "attempts-are-set"),
    _tried("Configuration", "typical: the numbers 0 to 20", "attempts-from-0-to-20-are-there"),
)

_DIAL = (
    _tried("GetCasesToDial", "gets a list of cases to dial", "a-list-is-returned"),
    _tried("GetCasesToDial", "only cases that are To Dial", "only-to-dial"),
    _tried("GetCasesToDial", "only cases whose date/time has passed, none with a future one", *_DUE),
    _tried("GetCasesToDial", "Campaign: a campaign's name", "only-that-campaign"),
    _tried("GetCasesToDial", "an empty Campaign is all cases", "empty-campaign-is-all"),
    _tried("GetCasesToDial", "CaseGroup: a group's name", "only-that-case-group", "that-case-group"),
    _tried("GetCasesToDial", "an empty CaseGroup is all groups", "empty-case-group-is-all"),
    _tried("GetCasesToDial", "Records: how many to return", "records-is-the-number"),
    _tried("GetCasesToDial", "Auto-change: true or false", "auto-change-is-not-default", "auto-change-claims"),
    _tried(
        "GetCasesToDial",
        "with it the returned cases become In the Dialer",
        "auto-change-claims",
        "auto-change-only-what-is-returned",
        "nobody-gets-a-claimed-case",
    ),
    _tried("GetCasesToDial", "the example of a reply", *_SHAPES),
)

_INFO = (
    _tried("GetCaseInfo", "returns one case", "that-case-is-returned"),
    _tried("GetCaseInfo", "CaseID: which", "that-case-is-returned"),
    _tried("GetCaseInfo", "the example of a reply", *_SHAPES),
)

_UPDATE = (
    _tried("UpdateCaseStatus", "updates one case or several", "one-case-is-updated", "several-cases-are-updated"),
    _tried(
        "UpdateCaseStatus",
        "only CaseID is required; what is omitted is not updated",
        "only-case-id-is-required",
        "case-id-is-required",
        "omitted-attempts-stay",
        "omitted-status-stays",
    ),
    _tried("UpdateCaseStatus", "CaseID: which", "one-case-is-updated", "case-id-is-required"),
    _tried("UpdateCaseStatus", "Status: the new Dialer Status, of three", "dialer-statuses-are-there"),
    _tried("UpdateCaseStatus", "an empty Status is not updated", "empty-status-stays"),
    _tried("UpdateCaseStatus", "NextCall: date/time of the next call", "next-call-is-set"),
    _tried("UpdateCaseStatus", "it goes with To Dial", "next-call-is-set"),
    _tried("UpdateCaseStatus", "the other two go with the current date/time", "current-time-is-taken"),
    _tried("UpdateCaseStatus", "Attempts: a count", "attempts-are-set"),
    _tried("UpdateCaseStatus", "it updates the Attempts status", "attempts-are-set"),
    _tried("UpdateCaseStatus", "Disposition: the new Last Dialer Disposition", "disposition-is-taken"),
    _tried("UpdateCaseStatus", "the example of a request", "one-case-is-updated"),
)

_NOTE = (
    _tried("AddCaseNote", "adds a note to one case or several", "note-is-taken", "note-to-several-is-taken"),
    _tried("AddCaseNote", "CaseID: which", "note-is-taken"),
    _untried("AddCaseNote", "Note: its text", "No method reads notes, so that nobody can see what was stored."),
)

_BY_PHONE = (
    _tried(
        "AddCaseNoteByPhone",
        "adds a note to the cases with a phone number",
        "note-by-phone-is-taken",
        "note-by-half-a-number-is-not-taken",
    ),
    _tried(
        "AddCaseNoteByPhone",
        "of several, to all open ones; if none is open, to all closed ones",
        "note-by-phone-goes-to-all-open-cases",
        "note-by-phone-spares-closed-cases",
        "note-by-phone-goes-to-all-closed-cases",
    ),
    _untried("AddCaseNoteByPhone", "Phone: the plaintiff's", "No reply tells whose a number is, or one of others."),
    _untried("AddCaseNoteByPhone", "Note: its text", "No method reads notes, so that nobody can see what was stored."),
    _untried("AddCaseNoteByPhone", "where to find other help", "It is not about the API."),
)

SENTENCES = (*_HEADER, *_CONFIGURATION, *_DIAL, *_INFO, *_UPDATE, *_NOTE, *_BY_PHONE)
SECTIONS = tuple(dict.fromkeys(sentence.section for sentence in SENTENCES))
