"""Words of names: what a name is found by, and what is looked for."""

from __future__ import annotations

import pytest

from casedial.domain.names import looked_for, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ann Lee", ["ann", "lee"]),
        ("  Ann   ANN ", ["ann"]),
        ("O'Brien-Peña, María", ["obrienpena", "o", "brien", "pena", "maria"]),
        ("Łucja Ärger", ["łucja", "arger"]),
        ("Straße", ["strasse"]),
        ("李小龍", ["李小龍"]),
        ("2nd Smith", ["2nd", "smith"]),
        ("x" * 200, ["x" * 64]),
        ("", []),
        ("-- ' %", []),
    ],
)
def test_words(name: str, words: list[str]) -> None:
    assert list(words_of(name)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smi", ["smi"]),
        ("O'Bri Pe", ["obri", "pe"]),
        ("PEÑ peñ", ["pen"]),
        ("%_", []),
        ("x" * 200, ["x" * 64]),
    ],
)
def test_what_is_looked_for(text: str, words: list[str]) -> None:
    assert list(looked_for(text)) == words


def test_each_name_is_found_by_itself() -> None:
    for name in ("O'Brien-Peña, María", "Łucja Ärger", "Ann  Lee", "de la Cruz", "X Æ A-12"):
        for word in looked_for(name):
            assert any(one.startswith(word) for one in words_of(name)), (name, word)
