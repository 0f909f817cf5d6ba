"""Keys: shown once, limited, rolled, revoked; and those of another firm are not there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from casedial.domain.keys import KeyRecord, Scope
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.keys import LimitChange
from casedial.service.operations import keys
from tests.conftest import ME, Office
from tests.console.conftest import FIRM, Doors
from tests.console.test_campaigns import fields, send

HERE = f"/{FIRM}/keys"
_KEY = re.compile(r'id="key">(cdk_[0-9A-Za-z]+)<')


async def every(office: Office) -> list[KeyRecord]:
    return [key for key, _ in (await keys.every(office.store, ME, office.name)).keys]


async def test_a_key_is_made_and_shown_once(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    campaign = (await office.firm()).statuses.named(StatusType.CAMPAIGN, "Intake follow-up")
    form = fields(await tab.get(HERE))
    form.pop("scope-note")
    limits = {f"campaign-{campaign.id}": "yes", "addresses": "192.0.2.0/24\r\n2001:db8::1", "rate": "600"}
    made = await send(tab, f"{HERE}/add", form, vendor="Best Dialer", expires="2031-01-31T09:00", **limits)
    assert made.status_code == 200
    shown = _KEY.search(made.text)
    assert shown
    assert len(shown[1]) == 42
    assert shown[1] not in (await tab.get(HERE)).text
    [_, key] = await every(office)
    assert key.vendor == "Best Dialer"
    assert key.limits.scopes == {Scope.DIAL, Scope.UPDATE, Scope.READ}
    assert key.limits.campaigns == {campaign.id}
    assert [str(one) for one in key.limits.addresses or ()] == ["192.0.2.0/24", "2001:db8::1/128"]
    assert key.limits.expires_at == datetime(2031, 1, 31, 15, tzinfo=UTC)
    assert key.limits.rate_limit == 600


async def test_a_key_is_taken_over(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    form = fields(await tab.get(HERE))
    mine = "their-own-key-0123456789"
    assert (await send(tab, f"{HERE}/add", form, vendor="Old Dialer", key=mine)).status_code == 303
    again = await send(tab, f"{HERE}/add", form, vendor="Old Dialer", key=mine)
    assert again.status_code == 422
    assert "already in use" in again.text


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("vendor", "", "Name the dialer company"),
        ("vendor", "casedial", "is a name that casedial uses for itself"),
        ("addresses", "here", "give an address, or a network"),
        ("expires", "soon", "'soon'"),
        ("expires", "2001-01-01T00:00", "This time has passed"),
        ("rate", "many", "A rate limit is 1 to"),
        ("key", "short", "cannot be imported"),
    ],
)
async def test_bad_input_comes_back(doors: Doors, field: str, typed: str, told: str) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    form = {**fields(await tab.get(HERE)), "vendor": "Best Dialer"}
    reply = await send(tab, f"{HERE}/add", form, **{field: typed})
    assert reply.status_code == 422
    assert told in unescape(reply.text)
    assert len(await every(doors.office)) == 1


async def test_its_limits_are_changed(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    [key] = await every(office)
    path = f"{HERE}/{key.id}"
    form = fields(await tab.get(path))
    review = await send(tab, path, form, rate="60")
    assert "any number" in review.text
    assert "<strong>60</strong>" in review.text
    assert (await every(office))[0].limits.rate_limit is None
    assert (await send(tab, path, fields(review), do="save")).status_code == 303
    assert (await every(office))[0].limits.rate_limit == 60
    late = await send(tab, path, form, rate="90", addresses="192.0.2.1", do="save")
    assert late.status_code == 422
    assert "Somebody else changed this from nothing to 60." in late.text
    nothing = {name: text for name, text in fields(await tab.get(path)).items() if not name.startswith("scope-")}
    assert "Tick at least one" in (await send(tab, path, nothing, do="save")).text


async def test_in_the_very_moment_of_saving(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    [key] = await every(office)
    form, limit = fields(await tab.get(f"{HERE}/{key.id}")), keys.limit
    first = True

    async def meanwhile(*given: object, **named: object) -> object:
        nonlocal first
        if first:
            first = False
            await limit(office.store, ME, key.id, lambda firm: LimitChange(rate_limit=5))
        return await limit(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(keys, "limit", meanwhile)
    told = await send(tab, f"{HERE}/{key.id}", form, rate="60", do="save")
    assert "from nothing to 5" in told.text
    assert (await every(office))[0].limits.rate_limit == 5


async def test_roll_and_revoke(doors: Doors) -> None:
    office, tab = doors.office, await doors.signed_in(UserRole.ADMINISTRATOR)
    [old] = await every(office)
    path = f"{HERE}/{old.id}"
    wrong = await tab.post(f"{path}/roll", overlap="soon", expires="")
    assert wrong.status_code == 422
    assert "is not a span" in unescape(wrong.text)
    rolled = await tab.post(f"{path}/roll", overlap="24h", expires="")
    assert _KEY.search(rolled.text)
    assert "works until" in rolled.text
    old, new = await every(office)
    assert old.limits.expires_at
    assert timedelta(hours=23) < old.limits.expires_at - datetime.now(UTC) <= timedelta(hours=24)
    assert new.vendor == old.vendor
    assert (await tab.post(f"{HERE}/{new.id}/revoke")).status_code == 303
    assert (await every(office))[1].revoked_at
    assert "Revoked:" in (await tab.get(HERE)).text
    assert "revoked" in (await tab.get(f"{HERE}/{new.id}")).text


async def test_of_another_firm_and_for_administrators(doors: Doors, other_office: Office) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    [theirs] = await every(other_office)
    for verb in ("", "/roll", "/revoke"):
        assert (await tab.post(f"{HERE}/{theirs.id}{verb}", overlap="0")).status_code == 404
    assert (await tab.get(f"{HERE}/{theirs.id}")).status_code == 404
    manager = await doors.signed_in(UserRole.MANAGER)
    assert (await manager.get(HERE)).status_code == 403
    assert (await every(other_office))[0].revoked_at is None
