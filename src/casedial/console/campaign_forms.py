"""The settings of a campaign as fields of a form, what is meant by them, and as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from casedial.console.forms import FormErrors
from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.hours import Week, Window
from casedial.domain.limits import Limit, own_limit, show_span
from casedial.domain.rules import Override, Purpose
from casedial.domain.spans import read_calls, read_span
from casedial.domain.statuses import StatusType
from casedial.domain.weeks import DAYS, brief_week
from casedial.service.campaigns import FIRMS_OWN, CampaignChange, checked_limit, checked_retry
from casedial.service.firms import checked_timeout

RULES, WITHIN, WIDER = "rules", "within", "wider"  # whose hours count
_MOST_LIMITS = 20


def fields_of(firm: Firm, decided: Campaign) -> dict[str, str]:
    """Return what stands in the form of a campaign."""
    timeout, own = decided.claim_timeout, decided.hours[0] if decided.hours else None
    fields = {
        "purpose": decided.purpose.value,
        "abroad": "yes" if decided.abroad else "",
        "timeout": "" if timeout is None else show_span(timedelta(seconds=timeout)) if timeout else "0",
        "hours": (WIDER if own.wider else WITHIN) if own else RULES,
        "reason": own.reason if own else "",
        "limits": "\n".join(f"{one.count}/{show_span(one.span)}" for one in decided.limits if not one.conversations),
        "rest": next((show_span(one.span) for one in decided.limits if one.conversations), ""),
    }
    fields |= week_fields(own.windows if own else None)
    for status in firm.statuses.of(StatusType.DISPOSITION):
        retry = decided.retries.get(status.id)
        fields[f"after-{status.id}"] = show_span(retry.after) if retry else ""
        fields[f"times-{status.id}"] = str(retry.at_most) if retry else ""
    return fields


def week_fields(windows: Week | None) -> dict[str, str]:
    """Return the fields of hours of a week: two for each day, both empty where there are none."""
    fields: dict[str, str] = {}
    for day, hours in zip(DAYS, windows or (None,) * 7, strict=True):
        opens, closes = str(hours).replace("24:00", "00:00").split("-") if hours else ("", "")
        fields |= {f"{day}-from": opens, f"{day}-to": closes}
    return fields


def read_week_fields(shown: Mapping[str, str], errors: FormErrors) -> Week:
    """Read the hours of a week: midnight ends a day, too."""
    found: list[Window | None] = []
    for day in DAYS:
        opens, closes = shown[f"{day}-from"], shown[f"{day}-to"]
        found.append(None)
        if not opens and not closes:
            continue
        with errors.at(f"{day}-from"):
            if not opens or not closes:
                raise InvalidSetting("Give both, from and to; leave both empty for a day without calls.")
            # Some browsers send seconds with a time.
            window = Window.of(f"{opens[:5]}-{'24:00' if closes[:5] == '00:00' else closes[:5]}")
            found[-1] = window
    return tuple(found)


def meant(firm: Firm, decided: Campaign, shown: Mapping[str, str], errors: FormErrors) -> CampaignChange:
    """Return what a form wants of a campaign: what is as it was is None. What is wrong with a field is said there."""
    purpose = next((one for one in Purpose if one.value == shown["purpose"]), None)
    if purpose is None:
        errors.add("purpose", "Choose a purpose.")
    abroad = bool(shown["abroad"])
    timeout = _timeout(shown, errors)
    hours = _hours(shown, errors)
    is_new = hours != list(decided.hours) or (purpose != decided.purpose and any(one.wider for one in hours))
    limits, rest = _limits(shown, errors), _rest(shown, errors)
    own = [one for one in decided.limits if not one.conversations]
    rests = [one.span for one in decided.limits if one.conversations]
    return CampaignChange(
        claim_timeout=None if timeout == _own_timeout(decided) else timeout,
        purpose=None if purpose == decided.purpose else purpose,
        hours=hours if is_new else None,
        limits=None if limits == own else limits,
        rest=None if rest == (rests[0] if rests else timedelta(0)) else rest,
        retries=_retries(firm, decided, shown, errors) or None,
        abroad=None if abroad == decided.abroad else abroad,
    )


def _own_timeout(decided: Campaign) -> int:
    return FIRMS_OWN if decided.claim_timeout is None else decided.claim_timeout


def _timeout(shown: Mapping[str, str], errors: FormErrors) -> int:
    if shown["timeout"]:
        with errors.at("timeout"):
            return checked_timeout(int(read_span(shown["timeout"]).total_seconds()))
    return FIRMS_OWN


def _hours(shown: Mapping[str, str], errors: FormErrors) -> list[Override]:
    if shown["hours"] not in (WITHIN, WIDER):
        return []
    windows = read_week_fields(shown, errors)
    if not any(windows):
        errors.add("mon-from", "Give the hours of at least one day; to call nobody, pause the campaign.")
    with errors.at("reason"):
        return [Override(windows, shown["hours"] == WIDER, shown["reason"])]
    return []


def _limits(shown: Mapping[str, str], errors: FormErrors) -> list[Limit]:
    with errors.at("limits"):
        lines = [line for line in shown["limits"].splitlines() if line.strip()]
        if len(lines) > _MOST_LIMITS:
            raise InvalidSetting(f"At most {_MOST_LIMITS} limits.")
        return [checked_limit(own_limit(*read_calls(line))) for line in lines]
    return []


def _rest(shown: Mapping[str, str], errors: FormErrors) -> timedelta:
    if shown["rest"]:
        with errors.at("rest"):
            rest = read_span(shown["rest"])
            return checked_limit(own_limit(1, rest, conversations=True)).span if rest else rest
    return timedelta(0)


def _retries(firm: Firm, decided: Campaign, shown: Mapping[str, str], errors: FormErrors) -> dict[str, Retry | None]:
    found: dict[str, Retry | None] = {}
    for status in firm.statuses.of(StatusType.DISPOSITION):
        after, times = shown[f"after-{status.id}"], shown[f"times-{status.id}"]
        retry = None
        if after or times:
            with errors.at(f"after-{status.id}"):
                if not after:
                    raise InvalidSetting("Say after which time to try again, such as 4h.")
                retry = checked_retry(Retry(read_span(after), _times(times)))
        if retry != decided.retries.get(status.id):
            found[status.name] = retry
    return found


def _times(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= 1000):
        raise InvalidSetting("Say how often to try again, 1 to 1000 times; then the case is Do not Dial.")
    return int(text)


def told(firm: Firm, decided: Campaign) -> dict[str, str]:
    """Say in words what a firm decided for a campaign."""
    timeout = firm.claim_timeout if decided.claim_timeout is None else decided.claim_timeout
    ends = f"after {show_span(timedelta(seconds=timeout))}" if timeout else "never"
    rests = [show_span(one.span) for one in decided.limits if one.conversations]
    retries = [
        f"{status.name}: in {show_span(retry.after)}, at most {retry.at_most} times"
        for status in firm.statuses.of(StatusType.DISPOSITION)
        if (retry := decided.retries.get(status.id))
    ]
    return {
        "Purpose": decided.purpose.value,
        "Own hours": "; ".join(_told_hours(own) for own in decided.hours) or "those of the rules",
        "Limits": "; ".join(
            f"at most {one.count} in {show_span(one.span)}" for one in decided.limits if not one.conversations
        )
        or "those of the rules",
        "Rest after a conversation": rests[0] if rests else "as the rules say",
        "Numbers abroad": "are called" if decided.abroad else "are not called",
        "Claims run out": ends + (" (as the firm says)" if decided.claim_timeout is None else ""),
        "Tries again": "; ".join(retries) or "as the dialer says",
    }


def _told_hours(own: Override) -> str:
    return f"{brief_week(own.windows)}" + (f", wider than the rules ({own.reason})" if own.wider else "")
