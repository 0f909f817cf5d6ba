"""Names of any kind: how long they may be, and how they are compared."""

from __future__ import annotations

import re
import unicodedata

NAME_LIMIT = 255  # characters in a name of any kind: firm, vendor, status, group, plaintiff, phone name


def fold(name: str) -> str:
    """Return the form in which names are compared: trimmed and case-folded."""
    return name.strip().casefold()


_MOST_OF_A_WORD = 64  # characters that a word is looked for by
_NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+")


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name, by the beginning of any of which it is found: without capitals, accents and marks.

    "O'Brien-Peña" is found as "obrienpena", and by each of its parts.
    """
    if len(name) <= _MOST_OF_A_WORD and name.isascii() and name.replace(" ", "").isalnum():  # as most are
        return tuple(dict.fromkeys(name.lower().split()))
    found: dict[str, None] = {}
    for part in _plain(name).split():
        pieces = [piece for piece in _NOT_LETTER_OR_DIGIT.split(part) if piece]
        found |= dict.fromkeys(word[:_MOST_OF_A_WORD] for word in ("".join(pieces), *pieces) if word)
    return tuple(found)


def looked_for(text: str) -> tuple[str, ...]:
    """Return what the words of a name have to begin with, each of these one of them, so that the name is meant."""
    parts = ("".join(_NOT_LETTER_OR_DIGIT.split(part)) for part in _plain(text).split())
    return tuple(dict.fromkeys(part[:_MOST_OF_A_WORD] for part in parts if part))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
