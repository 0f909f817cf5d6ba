"""Numbers: of the US, abroad or doubtful; what is compared, what is dialed, what is a fax."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from casedial.domain.cases import Case, Phone
from casedial.domain.phones import PHONE_LIMIT, Kind, dialable, is_fax, key_of, kind_of, read, split
from casedial.service.operations import sample


@pytest.mark.parametrize(
    "number",
    [
        "4025550123",
        "(402) 555-0123",
        "402.555.0123",
        "402/555-0123",
        "+1 402 555 0123",
        "1-402-555-0123",
        "001 402 555 0123",
        "011 1 402 555 0123",
        "402-555-0123 x9",
        "402-555-0123ext9",
        "402-555-0123 Ext. 99",
        "402-555-0123 extension 123456",
        "402-555-0123 #12",
        "402-555-0123, ext 5",
        "402-555-0123;ext=7",
        "tel:402-555-0123",
        "tel:+1-402-555-0123;ext=7",
        "402-555-0123 (cell)",
        "4025550123.0",  # a whole number, as a program writes it that took it for a decimal one
    ],
)
def test_one_number_however_written(number: str) -> None:
    assert read(number) == (Kind.US, "4025550123", "")
    assert key_of(number) == dialable(number) == "4025550123"
    assert kind_of(number) is Kind.US
    assert split(number) == (number,)


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("+65 9234 5678", "+6592345678"),  # ten digits, and not 659-234-5678
        ("(+65) 9234-5678", "+6592345678"),
        ("tel:+65-9234-5678", "+6592345678"),
        ("0065 9234 5678", "+6592345678"),
        ("011 65 9234 5678", "+6592345678"),
        ("\uff0b65 9234 5678", "+6592345678"),
        ("+65 9234 5678 x12", "+6592345678"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 (0)20 7946 0958", "+442079460958"),
        ("011 44 ( 0 ) 20 7946 0958", "+442079460958"),
        ("+49 30 123456", "+4930123456"),
        ("+43 1 58858", "+43158858"),
    ],
)
def test_a_number_abroad_is_compared_by_all_its_digits_and_dialed_as_entered(number: str, key: str) -> None:
    assert read(number) == (Kind.ABROAD, key, "")
    assert key_of(number) == key
    assert dialable(number) == number


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("", "0 digits"),
        ("5", "1 digit:"),
        ("555-0123", "7 digits"),
        ("402555012", "9 digits"),
        ("24025550123", "11 digits"),
        ("402555012.0", "9 digits"),
        ("020 7946 0958", "11 digits"),
        ("1-800-FLOWERS", "4 digits"),
        ("call me", "0 digits"),
        ("x123", "0 digits"),
        ("\u0664\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0663", "0 digits"),
        ("4.02555E+09", "rounded by a spreadsheet"),
        ("4.0255501E+09", "rounded by a spreadsheet"),  # ten digits, and another number
        ("4,02555e+9", "rounded by a spreadsheet"),
        ("402-555-012 or 3", "letters between"),
        ("4025550159 / 4025550160", "20 digits"),
        ("402555+0123", "+ between"),
        ("+1 402 555", "7 digits"),
        ("+0044 20 7946 0958", "no country code"),
        ("+44 20", "4 digits"),
        ("+44 2079 4609 5820 7946", "18 digits"),
    ],
)
def test_what_is_doubtful_is_compared_with_nothing_and_never_dialed(number: str, why: str) -> None:
    found = read(number)
    assert (found.kind, found.key) == (Kind.DOUBTFUL, "")
    assert why in found.why
    assert key_of(number) is None
    assert dialable(number) is None


@pytest.mark.parametrize("number", ["0000000000", "(123) 456-7890", "1 012 345 6789"])
def test_ten_digits_without_an_area_code_are_found_by_a_note_and_never_dialed(number: str) -> None:
    assert read(number).kind is Kind.DOUBTFUL
    assert len(read(number).key) == 10
    assert key_of(number) is None
    assert dialable(number) is None


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        ("4025550159 / 4025550160", ("4025550159", "4025550160")),
        ("402-555-0159 x1, (402) 555-0160", ("402-555-0159 x1", "(402) 555-0160")),
        ("402-555-0159;402-555-0160 | 4025550161", ("402-555-0159", "402-555-0160", "4025550161")),
        ("402 555 0159 or 402 555 0160", ("402 555 0159", "402 555 0160")),
        ("4025550159 4025550160", ("4025550159", "4025550160")),
        ("402 555 0159 1-402-555-0160", ("402 555 0159", "1-402-555-0160")),
        ("4025550159 and +65 9234 5678", ("4025550159", "+65 9234 5678")),
        ("+6592345678/+6592345679", ("+6592345678", "+6592345679")),
        ("4025550159 / (402) 555-0159", ("(402) 555-0159",)),
    ],
)
def test_a_cell_with_several_numbers(cell: str, numbers: tuple[str, ...]) -> None:
    assert split(cell) == numbers


@pytest.mark.parametrize(
    "cell", ["4025550159/60", "4025550159 / 555-0160", "402-555-0123, ext 5", "1, 2, 3, 4, 5, 6", ""]
)
def test_a_cell_whose_parts_are_not_whole_numbers_is_left_alone(cell: str) -> None:
    assert split(cell) == (cell,)


def test_a_case_has_a_phone_for_each_number_of_a_cell() -> None:
    case = Case(1, phones=(Phone("Cell", "4025550159 / 4025550160", True, True), Phone("Work", "4025550161", True)))
    assert case.voice_phones == [
        Phone("Cell", "4025550159", True, True),
        Phone("Work", "4025550161", True),
        Phone("Cell", "4025550160", False, True),
    ]


@pytest.mark.parametrize(
    "text", ["1" * PHONE_LIMIT, "1e" * 32, "x" * PHONE_LIMIT, "1 " * 32, "+" * PHONE_LIMIT, "#1" * 32]
)
def test_no_cell_takes_long(text: str) -> None:
    for _ in range(200):
        assert read(text).kind is Kind.DOUBTFUL
        assert split(text) == (text,)


def test_the_sample_has_numbers_of_the_us() -> None:
    numbers = [phone.number for row in sample.rows(200, datetime.now(UTC)) for phone in row.phones or ()]
    assert {kind_of(number) for number in numbers} == {Kind.US}


@pytest.mark.parametrize("name", ["Fax", "Home FAX", "fax 2", "Fax2", "home_fax", "Work (fax)"])
def test_fax(name: str) -> None:
    assert is_fax(name)


@pytest.mark.parametrize("name", ["", "Home", "Halifax", "Faxon office", "Telefaxless"])
def test_no_fax(name: str) -> None:
    assert not is_fax(name)
