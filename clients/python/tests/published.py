"""Splits a copy of the published text into sentences, and takes a fingerprint of each.

``published.txt`` has the fingerprints, section by section, so that a test can tell whether the suite's own list is
whole where there is no copy of the text. ``python -m clients.python.tests.published TEXT`` compares a copy with it;
``--write`` writes it anew.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

KEPT = Path(__file__).with_name("published.txt")
_HEADINGS = {
    "Header": "Header",
    "SmartAdvocate Configuration for Predictive Dialing": "Configuration",
    "GetCasesToDial": "GetCasesToDial",
    "GetCaseInfo": "GetCaseInfo",
    "UpdateCaseStatus": "UpdateCaseStatus",
    "AddCaseNote": "AddCaseNote",
    "AddCaseNoteByPhone": "AddCaseNoteByPhone",
}
_TITLES = ("Predictive Dialer API", "Parameters", "Return Values")
_SENTENCE_ENDS = re.compile(r"(?<=\.) +(?=[A-Z])")


def sentences(text: str) -> Iterator[tuple[str, str]]:
    """Yield each sentence with its section. The items of a list belong to the sentence before; an example is one."""
    section = ""
    found: list[str] = []
    for line in _without_breaks_in_examples(text):
        if line in _HEADINGS:
            yield from ((section, one) for one in found)
            section, found = _HEADINGS[line], []
        elif line in _TITLES:
            continue
        elif found and _is_item(line):
            found[-1] += f" {line}"
        else:
            found += _SENTENCE_ENDS.split(line)
    yield from ((section, one) for one in found)


def _without_breaks_in_examples(text: str) -> Iterator[str]:
    depth, example = 0, ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        depth += sum(line.count(sign) for sign in "[{") - sum(line.count(sign) for sign in "]}")
        if depth or example:
            example += line
        if not depth:
            yield example or line
            example = ""


def _is_item(line: str) -> bool:
    return len(line.split()) <= 3 and not re.search(r" - |:|\.$", line)


def fingerprint(sentence: str) -> str:
    return hashlib.sha256(" ".join(sentence.split()).casefold().encode()).hexdigest()[:16]


def written(found: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{section} {fingerprint(sentence)}\n" for section, sentence in found)


def kept() -> list[str]:
    """Return the section of each sentence of the published text, in its order."""
    return [line.split()[0] for line in KEPT.read_text().splitlines()]


if __name__ == "__main__":
    text = written(sentences(Path(sys.argv[1]).read_text(encoding="utf-8")))
    if "--write" in sys.argv:
        KEPT.write_text(text)
    sys.exit(0 if KEPT.read_text() == text else "The text is not the one that the suite was made from.")
