"""The servers that chaos kills: one whose start fails, for its database connection was cut, is started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import CASEDIAL, Server, plain


def test_a_server_that_did_not_start_can_be_started_again(tmp_path: Path) -> None:
    first = f'[ -e {tmp_path}/tried ] || {{ touch {tmp_path}/tried; exit 1; }}; exec {CASEDIAL} serve "$@"'
    server = Server(f"sqlite:///{tmp_path}/x.db", command=("sh", "-c", first, "sh"))
    with pytest.raises(RuntimeError, match="did not start"):
        server.__enter__()
    with server:
        assert plain.get(f"{server.url}/readyz").status_code == 200
