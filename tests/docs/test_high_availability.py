"""The cluster of high-availability.md is the one that ``make ha`` takes primaries from, and its URLs are right."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from casedial.database import hosts
from tests.ha.cluster import Cluster
from tests.production import HOW_TO

PAGE = (HOW_TO / "high-availability.md").read_text(encoding="utf-8")


def block(language: str, beginning: str) -> str:
    """The block of the page that begins like this."""
    found = re.search(rf"```{language}\n({re.escape(beginning)}.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def of_page() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(block("yaml", "# /etc/patroni/config.yml"))
    return loaded


def test_the_settings_are_those_that_are_tried() -> None:
    page, tried = of_page()["bootstrap"]["dcs"], Cluster.settings(synchronous=True)
    for one in (page, tried):
        one["postgresql"]["parameters"].pop("wal_keep_size")  # a question of disks
    assert page == tried
    assert page["loop_wait"] + 2 * page["retry_timeout"] <= page["ttl"]


def test_each_reason_is_of_a_setting() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    names = [name.partition(":")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(names) > 8
    elsewhere = block("sh", "# /etc/default/etcd") + block("sql", "ALTER ROLE")
    for name in names:
        assert name in str(of_page()) or name in elsewhere, name


def test_all_machines_are_named_everywhere() -> None:
    machines = [f"10.0.0.{number}" for number in (11, 12, 13)]
    assert of_page()["etcd"]["hosts"].split(",") == [f"{machine}:2379" for machine in machines]
    assert all(f"http://{machine}:2380" in block("sh", "# /etc/default/etcd") for machine in machines)


@pytest.mark.parametrize(("variable", "is_standby"), [("DATABASE", False), ("STANDBY", True)])
def test_a_url_of_all_machines(variable: str, is_standby: bool) -> None:
    url = block("sh", f"CASEDIAL_{variable}_URL=").partition("=")[2].strip().strip("'")
    hosts.check(url, is_standby)
    assert "@db1:5432,db2:5432,db3:5432/casedial?" in url
