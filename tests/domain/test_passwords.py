"""Passwords that are tried first, and others that look like them."""

from __future__ import annotations

import random

import pytest

from casedial.domain.passwords import is_tried_first

NAME = "Ana Castillo"
TRIED_FIRST = """
password1234 Passw0rd2026! P@$$w0rd!2024 passwordpassword Password12345 passw0rdpassw0rd 123456789012 111111111111
aaaaaaaaaaaa qwertyqwerty qwertyuiop12 qwertyuiop123 qwertyuiop[] asdfghjkl123 1qaz2wsx3edc 1q2w3e4r5t6y q1w2e3r4t5y6
zaq12wsxcde3 123qweasdzxc qazwsxedcrfv poiuytrewq12 abcdefghijkl abc123abc123 a1b2c3d4a1b2c3d4a1b2 iloveyou1234
iloveyou2024 Welcome12345 Welcome2024! Summer2026!! Winter2025!! letmein12345 Liverpool2024 manchesterunited
chelsea123456 michael19871987 jessica12345 jordan232323 superman1234 basketball12 football2024 trustno1trustno1
administrator admin1234567 adminadmin123 root12345678 changeme1234 starwars1977 Princess1234 sunshine1234 Dr4g0nDr4g0n
monkey123456 dragon123456 master123456 hello1234567 secret123456 casedial2026 lawfirm12345 LawFirm2026! anacastillo1
AnaCastillo2026 castillo1990! 402-555-0123-1 November2026! Saturday2026 monday-friday abcdabcdabcd qwerqwerqwer
asdfasdfasdf zxcvbnm12345 !QAZ2wsx3edc texas2024texas newyork123456 Attorney2026
"""
OTHERS = """
four-words-that-nobody-expects Tr0ub4dor&3-xkcd grüne-Äpfel-im-Mai correct-horse-battery-staple kayak-lantern-71
ofen-brücke-salz vg7Kq2mXw9Lt thirteen-geese-waltz rumpelstiltskin-7 1f3a-99c2-07be-d41e-5a60 olive*trombone*39
liverpool-chelsea-dragon-cheese 9304-7176-3732-5957-2929
"""


@pytest.mark.parametrize("password", [*TRIED_FIRST.split(), "ana castillo", "2026-11-28 15:00"])
def test_those_that_are_tried_first(password: str) -> None:
    assert is_tried_first(password, NAME)


@pytest.mark.parametrize("password", OTHERS.split())
def test_others(password: str) -> None:
    assert not is_tried_first(password, NAME)


def test_random_ones_are_never_taken_for_them() -> None:
    dice = random.Random(2026)
    for _ in range(2000):
        letters = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        assert not is_tried_first(letters, NAME), letters
        made = "-".join(dice.randbytes(2).hex() for _ in range(5))  # as casedial makes them
        assert not is_tried_first(made, NAME), made


def test_a_long_one_takes_no_time() -> None:
    assert is_tried_first("abab" * 64 + "c", NAME)
    assert not is_tried_first("".join(chr(0x4E00 + number) for number in range(256)), NAME)
