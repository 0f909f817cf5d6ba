"""Settings: one frozen object, from the environment. The reference of settings is checked against it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from casedial.domain.destinations import Network, read_networks
from casedial.domain.errors import InvalidSetting

SUPERVISOR = "CASEDIAL_SUPERVISOR"  # no setting: tells workers the process id of the casedial serve above them
LOG_LEVELS = ("debug", "info", "warning", "error")


def _setting(default: Any, effect: str) -> Any:
    return field(default=default, metadata={"effect": effect})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator may choose; each field is read from ``CASEDIAL_<NAME>``."""

    database_url: str = _setting(
        "sqlite:///casedial.db",
        "The database: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user@host/name`.",
    )
    standby_url: str = _setting(
        "",
        "A standby of that PostgreSQL, which reports and exports read: they may be 10 seconds behind.",
    )
    host: str = _setting("127.0.0.1", "The address the server listens on.")
    port: int = _setting(8000, "The port the server listens on.")
    workers: int = _setting(1, "How many server processes answer requests.")
    base_path: str = _setting("/PredictiveDialer", "The path under which the five methods are served.")
    pool_size: int = _setting(4, "How many database connections each worker keeps.")
    trusted_proxies: str = _setting(
        "",
        "Addresses and networks of the proxies whose X-Forwarded-For is trusted, separated by commas.",
    )
    console: str = _setting("on", "Whether the console, for the firm's own people, is served at `/console`: on or off.")
    webhook_networks: str = _setting(
        "",
        "Networks inside yours to which webhooks may go, over http, too, separated by commas; others are refused.",
    )
    log_level: str = _setting("info", "The least severe log line that is written: debug, info, warning or error.")

    def __post_init__(self) -> None:
        """Raise InvalidSetting for a value that cannot be used."""
        if not self.base_path.startswith("/") or not self.base_path.strip("/") or not self.base_path.isascii():
            raise InvalidSetting("CASEDIAL_BASE_PATH must be a path such as /PredictiveDialer.")
        for name, low, high in (("port", 0, 65535), ("workers", 1, 128), ("pool_size", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                raise InvalidSetting(f"{variable(name)} must be {low} to {high}.")
        _ = self.proxies, self.webhooks_inside
        if self.console not in ("on", "off"):
            raise InvalidSetting("CASEDIAL_CONSOLE must be on or off.")
        if self.log_level not in LOG_LEVELS:
            raise InvalidSetting(f"CASEDIAL_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}.")

    @property
    def base(self) -> str:
        """Return the base path without a trailing slash."""
        return "/" + self.base_path.strip("/")

    @property
    def has_console(self) -> bool:
        """Tell whether the console is served."""
        return self.console == "on"

    @property
    def proxies(self) -> list[Network]:
        """Return the networks of the trusted proxies."""
        try:
            return read_networks(self.trusted_proxies)
        except ValueError as error:
            raise InvalidSetting(f"CASEDIAL_TRUSTED_PROXIES: {error}.") from None

    @property
    def webhooks_inside(self) -> list[Network]:
        """Return the networks inside to which webhooks may go."""
        try:
            return read_networks(self.webhook_networks)
        except ValueError as error:
            raise InvalidSetting(f"CASEDIAL_WEBHOOK_NETWORKS: {error}.") from None

    def environment(self) -> dict[str, str]:
        """Return the variables that make this very object, for server processes."""
        return {variable(f.name): str(getattr(self, f.name)) for f in fields(self)}


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"CASEDIAL_{name.upper()}"


def settings_from(environment: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """Read the settings; an override that is not None wins. Raises InvalidSetting."""
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        text = environment.get(variable(setting.name))
        if text:
            values[setting.name] = _read(setting, text)
    if overrides.get("database_url") is not None:
        values.pop("standby_url", None)  # which is one of another database
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Settings(**values)


def _read(setting: Field[Any], text: str) -> Any:
    if setting.type in (int, "int"):
        try:
            return int(text)
        except ValueError:
            raise InvalidSetting(f"{variable(setting.name)} must be a whole number, not {text!r}.") from None
    return text
