"""Passwords that are tried first, told by rules and not by a list: what little is left of one without what many use.

Words and names that many take, walks over a keyboard, rows of digits and letters, what is repeated, years and dates,
and the user's own name are taken off, whatever stands in for their letters. A phrase of four such words is one of
millions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_FEW = 5  # different characters that a password has at least
_LITTLE = 5  # characters that are left of one that is refused, at most
_MANY_WORDS = 4  # that together nobody tries
_WALK, _ROW = 4, 3  # keys of a walk, digits or letters of a row, at least
_DULL = re.compile(r"(?:[ .:/-]*[0-9]){1,15}[ .:/-]*")  # a date and time, a telephone number: none has more digits
_REPEATED = re.compile(r"(.+?)\1+")
_YEAR = re.compile(r"(19|20)[0-9]{2}")
_IN_PLACE_OF = str.maketrans("0134578@$!|", "oleastbasil")
_WORDS = """
password passwort passwd passcode login logon signin admin administrator root user guest default changeme secret
private letmein welcome hello whatever access enter open test temp system server computer internet office company
iloveyou iloveu loveyou lovely love forever always babygirl baby angel beautiful sweetheart darling honey kitty
sunshine rainbow flower butterfly princess prince queen king master monkey dragon tiger lion eagle falcon panther
wolf bear horse dolphin shadow ninja hunter killer warrior soldier ranger samurai wizard phoenix thunder lightning
superman batman spiderman ironman starwars startrek pokemon minecraft mustang corvette porsche ferrari mercedes
football baseball basketball soccer hockey golf tennis cowboys yankees lakers steelers packers eagles patriots liverpool
chelsea arsenal manchester united barcelona madrid juventus america england london paris texas california florida
newyork chicago boston dallas houston phoenix denver freedom liberty jesus christ god heaven blessed faith money
dollar cheese chocolate cookie banana orange cherry apple pepper ginger coffee summer spring winter autumn fall
january february march april may june july august september october november december monday tuesday wednesday
thursday friday saturday sunday trustno nothing something
michael jennifer jordan jessica ashley matthew daniel andrew joshua robert thomas charlie george william david
anthony nicole amanda samantha michelle melissa elizabeth stephanie victoria natalie heather hannah jasmine maria
james john joseph richard charles christopher brandon justin tyler austin taylor maggie buddy bailey molly max
casedial lawfirm lawyer attorney law firm dialer dial intake cases client clients calls call center phone
"""
_ROWS = ("01234567890", "abcdefghijklmnopqrstuvwxyz")
_KEYS = (
    *("a1b2c3d4e5f6g7h8i9", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn"),
    *("1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "qawsedrftgyhujikolp", "azsxdcfvgbhnjmkl"),
    *("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "zaq1xsw2cde3vfr4bgt5nhy6mju7ki8lo9"),
    *("zaqxswcdevfrbgtnhymju", "123qweasdzxc", "qweasdzxc", "zaq12wsxcde34rfvbgt56yhn"),
)


@cache
def _common() -> re.Pattern[str]:
    return re.compile("|".join(sorted(set(_WORDS.split()), key=len, reverse=True)))


@cache
def _steps(length: int, lines: tuple[str, ...]) -> frozenset[str]:
    both = (*lines, *(line[::-1] for line in lines))
    return frozenset(line[at : at + length] for line in both for at in range(len(line) - length + 1))


def _without(text: str, length: int, lines: tuple[str, ...]) -> str:
    """Return a text without its parts, of so many characters at least, that go along one of the lines."""
    steps = _steps(length, lines)
    gone = [False] * len(text)
    for at in range(len(text) - length + 1):
        if text[at : at + length] in steps:
            gone[at : at + length] = [True] * length
    return "".join(one for one, is_gone in zip(text, gone, strict=True) if not is_gone)


def _spellings(text: str) -> Iterator[str]:
    """Yield a text as it is, and with the letters for which digits and signs stand."""
    yield text
    yield text.translate(_IN_PLACE_OF)


def _left(text: str, name: str) -> tuple[int, int]:
    """Return how many characters of a password nobody would guess, and how many words many use are in it."""
    for known in re.findall(r"\w{3,}", name):
        text = text.replace(known, "")
    words = set(_common().findall(text))
    text = _YEAR.sub("", _common().sub("", text))
    text = _without(_without(text, _WALK, _KEYS), _ROW, _ROWS)
    return len(_REPEATED.sub(r"\1", re.sub(r"[\W_]", "", text))), len(words)


def is_tried_first(password: str, name: str) -> bool:
    """Tell whether this password of a user of this name is one of those that are tried first."""
    if len(set(password)) < _FEW or _DULL.fullmatch(password):
        return True
    folded, known = password.casefold(), name.casefold()
    found = [_left(spelled, known) for spelled in _spellings(folded)]
    return any(left <= _LITTLE and words < _MANY_WORDS for left, words in found)
