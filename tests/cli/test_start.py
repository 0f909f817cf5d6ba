"""A command imports what it needs and no more: which modules are there decides how fast it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

import casedial.cli
from casedial.database.engine import Store
from tests.conftest import make_office

# What serves, migrates, or belongs to an ORM.
_HEAVY = frozenset(
    (
        *("alembic", "granian", "litestar", "mako", "prometheus_client", "pydantic", "pygments", "structlog"),
        *("sqlalchemy.orm", "sqlalchemy.ext.asyncio", "casedial.web", "casedial.database.indexes"),
    )
)
# What only PostgreSQL needs.
_POSTGRESQL_S = frozenset(("asyncpg", "sqlalchemy.dialects.postgresql", "casedial.database.postgresql"))

_LOADED = """
import sys
from casedial.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """The modules that are there when a command has run."""
    done = subprocess.run([sys.executable, "-c", _LOADED, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_help_imports_no_command() -> None:
    loaded = loaded_by("--help")
    assert {name for name in loaded if name.startswith("casedial")} == {"casedial", "casedial.cli"}
    heavy = {*_HEAVY, "asyncio", "msgspec", "sqlalchemy"}
    assert loaded & heavy <= {"pygments"}  # with which Rich colors a help text


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "list"),
        ("explain", "7", "--firm", "Lex & Partners"),
        ("cases", "show", "7", "--firm", "Lex & Partners"),
    ],
    ids=" ".join,
)
async def test_a_look_imports_no_more_than_its_database_needs(
    database_url: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(database_url)
    await (await make_office(store)).add(7)
    await store.close()
    monkeypatch.setenv("CASEDIAL_DATABASE_URL", database_url)
    loaded = loaded_by(*arguments)
    assert {"sqlalchemy", "casedial.database.engine"} <= loaded
    assert not loaded & _HEAVY
    assert loaded & _POSTGRESQL_S == (_POSTGRESQL_S if store.dialect.name == "postgresql" else set())


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    for name, (_, _, help) in casedial.cli.COMMANDS.items():
        command = casedial.cli.load(name)
        assert command.name == name
        assert help.endswith(".")
        assert (command.help or "").startswith(help), name


def test_an_unknown_command_is_told_what_it_may_mean() -> None:
    with pytest.raises(typer.BadParameter.__mro__[1], match="'key'"):
        typer.main.get_command(casedial.cli.app).main(["keey", "list"], standalone_mode=False)
