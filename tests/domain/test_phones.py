"""Numbers: what is compared, what is dialed, what is a fax."""

from __future__ import annotations

import pytest

from casedial.domain.phones import dialable, digits_of, is_fax, match_key


@pytest.mark.parametrize(
    "number",
    [
        "4025550123",
        "(402) 555-0123",
        "402.555.0123",
        "+1 402 555 0123",
        "1-402-555-0123",
        "402-555-0123 x9",
        "402-555-0123ext9",
        "402-555-0123 Ext. 99",
        "402-555-0123 extension 123456",
        "402-555-0123 #12",
        "402-555-0123;ext=7",
        "tel:402-555-0123",
    ],
)
def test_one_number_however_written(number: str) -> None:
    assert match_key(number) == "4025550123"
    assert dialable(number) == "4025550123"


@pytest.mark.parametrize("number", ["", "555-0123", "402555012", "24025550123", "+44 20 7946 0958", "call me", "x123"])
def test_what_has_not_ten_digits_is_matched_by_nothing(number: str) -> None:
    assert match_key(number) is None
    assert dialable(number) == number


def test_only_a_leading_one_of_eleven_digits_is_dropped() -> None:
    assert digits_of("1402555012") == "1402555012"
    assert digits_of("14025550123") == "4025550123"


def test_a_foreign_number_of_ten_digits_is_dialed_as_entered() -> None:
    assert dialable("+49 30 123456") == "+49 30 123456"


def test_arabic_digits_are_no_digits() -> None:
    assert match_key("٤٠٢٥٥٥٠١٢٣") is None


@pytest.mark.parametrize("name", ["Fax", "Home FAX", "fax 2", "Fax2", "home_fax", "Work (fax)"])
def test_fax(name: str) -> None:
    assert is_fax(name)


@pytest.mark.parametrize("name", ["", "Home", "Halifax", "Faxon office", "Telefaxless"])
def test_no_fax(name: str) -> None:
    assert not is_fax(name)
