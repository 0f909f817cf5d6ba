"""Names of vendors: those that casedial signs with itself are nobody's."""

from __future__ import annotations

import asyncio

import pytest

from casedial.database.tables import keys
from casedial.domain.statuses import Role
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office


@pytest.mark.parametrize("vendor", ["import", " IMPORT ", "casedial", "CaseDial", "root (command line)"])
async def test_no_vendor_has_a_name_that_casedial_signs_with(casedial: Casedial, office: Office, vendor: str) -> None:
    spelled = "0d4852a98cbf4c8csb0cdee1b6f31e95f"
    for more in (("add",), ("import", "--key", spelled)):
        report = await asyncio.to_thread(
            casedial.json, "key", *more, "--firm", office.name, "--vendor", vendor, status=1
        )
        assert report["error"]["code"] == "InvalidSetting"
        assert "uses for itself" in report["error"]["message"]


async def test_a_key_of_such_a_vendor_from_before_holds_nothing_that_an_import_opened(
    casedial: Casedial, api: Api, office: Office
) -> None:
    file = casedial.folder / "x.csv"
    file.write_text("CaseID,DialerStatus\n7,In the Dialer\n8,To Dial\n")
    await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name)
    async with office.store.write() as tx:
        await tx.execute(keys.update().values(vendor="import"))
    held = (await office.case(7)).hold
    assert held
    released = await api.post("ReleaseClaim", json={"ClaimID": str(held.claim_id)})
    assert released.json()["code"] == "ClaimLost"
    assert await office.role(7) is Role.IN_THE_DIALER
    # What such a key claims itself is its own, until it is replaced: doctor asks for that.
    claimed = await api.post("GetCasesToDial", json={"Records": 1, "Auto-change": True})
    assert [case["CaseID"] for case in claimed.json()] == [8]
    released = await api.post("ReleaseClaim", json={"ClaimID": claimed.headers["X-Claim-Id"]})
    assert released.json()["Succeeded"] == 1
    findings = (await asyncio.to_thread(casedial.json, "doctor", status=1))["findings"]
    assert [f["level"] for f in findings if f["check"] == "keys"] == ["warning"]
