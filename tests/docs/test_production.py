"""The files of run-in-production.md are what systemd, nginx and Prometheus take, and name only what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from datetime import UTC, datetime
from inspect import getsource
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from casedial.domain.errors import every_error
from casedial.settings import Settings, variable
from casedial.web import server
from casedial.web.bodies import MAX_BODY_BYTES
from casedial.web.observe import Counts, metrics
from tests.docs.test_reference import commands
from tests.production import HOW_TO, PAGE, blocks, files, started_by, unit
from tests.servers import CASEDIAL

UNITS = [Path(path).name for path in files() if path.startswith("/etc/systemd/")]
SERVICES = [name for name in UNITS if name.endswith(".service")]
TIMERS = [name for name in UNITS if name.endswith(".timer")]
GUIDES = [PAGE, *((HOW_TO / name).read_text(encoding="utf-8") for name in ("backup.md", "postgresql.md", "monitor.md"))]

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# At the start of a line, or behind what starts a command; elsewhere "casedial" is a user or a database.
_COMMAND = re.compile(r"(?:^|-- |exec |bin/)casedial ([a-z]+(?: [a-z]+)*)([^\n]*)", re.MULTILINE)


def seconds(text: str) -> int:
    """A time of systemd's or nginx's."""
    number, multiple = re.fullmatch(r"(\d+)(s|)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "": 1}[multiple]


def test_the_page_has_its_files() -> None:
    assert sorted(UNITS) == [
        "casedial-backup.service",
        "casedial-backup.timer",
        "casedial-purge.service",
        "casedial-purge.timer",
        "casedial.service",
    ]
    assert {"/etc/casedial/env", "/usr/local/bin/casedial", "/etc/nginx/conf.d/casedial.conf"} <= set(files())


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_runs_as_its_own_user_with_its_settings(name: str) -> None:
    service = unit(name)["Service"]
    assert service["User"] == service["Group"] == "casedial"
    assert service["EnvironmentFile"] in files()
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["UMask"]) == ("strict", "yes", "0077")
    assert f"/var/lib/{service['StateDirectory']}" in blocks(PAGE)[0]
    for command in started_by(name):
        assert Path(command[0]).is_absolute()
        assert not command[0].startswith(str(Path.home()))


def test_systemd_waits_for_the_server_to_stop_and_starts_it_again() -> None:
    service = unit("casedial.service")["Service"]
    own_patience = re.search(r"workers_kill_timeout=(\d+)", getsource(server))
    assert own_patience
    assert seconds(service["TimeoutStopSec"]) >= int(own_patience[1]) + 5
    assert (service["Restart"], service["KillMode"]) == ("always", "mixed")
    assert unit("casedial.service")["Unit"]["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("name", TIMERS)
def test_every_timer_has_its_service(name: str) -> None:
    assert name.replace(".timer", ".service") in SERVICES
    assert unit(name)["Install"]["WantedBy"] == "timers.target"
    assert f"systemctl enable --now {' '.join(TIMERS)}" in PAGE


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    for other in UNITS:  # a timer is looked at with its service
        text = files()[f"/etc/systemd/system/{other}"].replace("/opt/casedial/bin/casedial", str(CASEDIAL))
        (tmp_path / other).write_text(text)
    verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / name]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if "casedial" in line] == []
    assert done.returncode == 0


@pytest.mark.parametrize("guide", GUIDES)
def test_every_variable_is_a_setting(guide: str) -> None:
    coming = {"CASEDIAL_TRUSTED_PROXIES"}
    assert set(re.findall(r"\bCASEDIAL_[A-Z_]+", guide)) <= {variable(f.name) for f in fields(Settings)} | coming


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_and_option_is_there(guide: str) -> None:
    known = {"casedial purge": ["--yes"]} | dict(commands())
    code = [*blocks(guide), *blocks(guide, "text"), *re.findall(r"^ExecStart=.*$", guide, re.MULTILINE)]
    code += re.findall(r"`([^`\n]+)`", _FENCED.sub("", guide))
    found = [match for text in code for match in _COMMAND.findall(text)]
    assert found
    for words, rest in found:
        names = ["casedial", *words.split()]
        named = next((name for name in (" ".join(names[:3]), " ".join(names[:2])) if name in known), None)
        assert named, f"there is no casedial {words}"
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= set(known[named]), named


def test_alerts_ask_for_metrics_and_outcomes_that_exist() -> None:
    [group] = yaml.safe_load(files()["/etc/prometheus/rules/casedial.yml"])["groups"]
    shown, _ = metrics(Counts({}, [], datetime.now(UTC), [], datetime.now(UTC)))
    families = text_string_to_metric_families(shown.decode())
    known = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    outcomes = {error.__name__ for error in every_error()}
    asked: set[str] = set()
    for rule in group["rules"]:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        asked |= set(re.findall(r"\bcasedial_\w+", rule["expr"]))
        for named in re.findall(r'outcome=~?"([^"]+)"', rule["expr"]):
            assert set(named.split("|")) <= outcomes
        told = "CasedialDown" if rule["alert"] == "CasedialDown" else f"- **{rule['alert'].removeprefix('Casedial')}**:"
        assert told in PAGE
    assert {"casedial_cases_returned_total", "casedial_cases_answered", "casedial_requests_total"} <= asked <= known


def test_the_proxies_let_through_what_casedial_refuses_itself() -> None:
    nginx = files()["/etc/nginx/conf.d/casedial.conf"]
    assert nginx.count("{") == nginx.count("}")
    for line in nginx.splitlines()[1:]:
        assert not line.strip() or line.rstrip()[-1] in "{};", line
    size = re.search(r"client_max_body_size (\d+)m;", nginx)
    caddy_size = re.search(r"max_size (\d+)MB", PAGE)
    assert size
    assert caddy_size
    assert int(size[1]) * 1024 * 1024 > MAX_BODY_BYTES
    assert int(caddy_size[1]) * 1000 * 1000 > MAX_BODY_BYTES
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in nginx
    assert "proxy_next_upstream off;" in nginx
    assert "$request " not in nginx  # whose query string may hold a phone number
    assert "$request_uri" not in nginx
