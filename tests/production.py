"""docs/how-to/run-in-production.md as the tests read it: its files, and the blocks that are to be pasted."""

from __future__ import annotations

import re
import shlex
from configparser import ConfigParser
from pathlib import Path

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
PAGE = (HOW_TO / "run-in-production.md").read_text(encoding="utf-8")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"\A(?:#!.*\n)?# (/\S+)\n")


def blocks(text: str, language: str = "sh") -> list[str]:
    """The code blocks of a language."""
    return [body for found, body in _BLOCK.findall(text) if found == language]


def section(text: str, heading: str) -> str:
    """The text under a heading (named with its hashes), up to the next one of its level or above."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, heading
    return re.split(rf"^#{{1,{heading.index(' ')}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def files() -> dict[str, str]:
    """The files that the page shows, by path: blocks whose first comment is one."""
    named = [(_NAMED.match(body), body) for _, body in _BLOCK.findall(PAGE)]
    return {match[1]: body for match, body in named if match}


def unit(name: str) -> ConfigParser:
    """A systemd unit; of a name that occurs twice in a section the last counts here."""
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(files()[f"/etc/systemd/system/{name}"])
    return parser


def started_by(name: str) -> list[list[str]]:
    """The command lines that a service runs, one after the other, with systemd's escapes undone."""
    lines = re.findall(r"^ExecStart=(.*)$", files()[f"/etc/systemd/system/{name}"], re.MULTILINE)
    return [shlex.split(line.replace("%%", "%").replace("$$", "$")) for line in lines]
