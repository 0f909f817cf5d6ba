"""Build src/casedial/places/places.txt: ZIP code and area code → states and time zones.

Run it from the project's root, in a throw-away environment of Python 3.11 or newer::

    python -m venv /tmp/build-places
    /tmp/build-places/bin/pip install zipcodes==3.0.0 ziptz-us==0.1.2 tzfpy==2.1.1 phonenumbers==9.0.43 tzdata==2026.6
    PYTHONPATH=src /tmp/build-places/bin/python tools/build_places.py 2026-11-23

The argument is the date to put into the version. The same date and packages make the same file, byte for byte. The old
file has to be there: the package reads its first line when it is imported.

A ZIP code's zones are the union of what zipcodes says, what ziptz-us says, and what the map of tzfpy says at its centre
and on circles of 8 and 16 km around it, for a ZIP code may straddle a line. An area code's are the union of what
phonenumbers says of its exchanges, less zones that its state has not, and of the zones at the centres of its ZIP codes:
phonenumbers knows one side only of some area codes that straddle a line (364, 448, 930).
"""

from __future__ import annotations

import math
import sys
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import tzfpy
import zipcodes
import ziptz
from phonenumbers import PhoneNumber, geocoder, region_code_for_number, timezone

from casedial.domain.places import Place
from casedial.places.table import render

TARGET = Path("src/casedial/places/places.txt")
PACKAGES = ("zipcodes", "ziptz-us", "tzfpy", "phonenumbers", "tzdata")
COMMENTS = (
    "Built by tools/build_places.py; do not edit.",
    "zipcodes: MIT, Copyright Sean Pianka; its coordinates are from GeoNames (https://www.geonames.org), CC BY 4.0.",
    "ziptz-us: MIT, Copyright cho. tzfpy: MIT, Copyright ringsaturn. phonenumbers: Apache-2.0.",
    "Contains information from timezone-boundary-builder, which is made available under the Open Database License",
    "(ODbL), and from OpenStreetMap, (c) OpenStreetMap contributors.",
)

# A zone and those that have kept its clock since 2020. One name for one clock: fewer places, fewer windows to compute.
CLOCKS = {
    "America/New_York": (
        "America/Detroit",
        "America/Indiana/Indianapolis",
        "America/Indiana/Marengo",
        "America/Indiana/Petersburg",
        "America/Indiana/Vevay",
        "America/Indiana/Vincennes",
        "America/Indiana/Winamac",
        "America/Kentucky/Louisville",
        "America/Kentucky/Monticello",
    ),
    "America/Chicago": (
        "America/Indiana/Knox",
        "America/Indiana/Tell_City",
        "America/Menominee",
        "America/North_Dakota/Beulah",
        "America/North_Dakota/Center",
        "America/North_Dakota/New_Salem",
    ),
    "America/Denver": ("America/Boise",),
    "America/Phoenix": (),
    "America/Los_Angeles": (),
    "America/Anchorage": (
        "America/Juneau",
        "America/Metlakatla",
        "America/Nome",
        "America/Sitka",
        "America/Yakutat",
    ),
    "America/Adak": (),
    "Pacific/Honolulu": (),
    "America/Puerto_Rico": ("America/St_Thomas",),
    "Pacific/Guam": ("Pacific/Saipan",),
    "Pacific/Pago_Pago": (),
}
# What a zone is called here. A name that is missing is abroad, at sea, or no zone ("Napakiak"), and is passed over.
MAIN = {name: main for main, others in CLOCKS.items() for name in (main, *others)}

TERRITORIES = frozenset({"PR", "VI", "GU", "AS", "MP"})
NAMES = (
    "Alabama=AL|Alaska=AK|Arizona=AZ|Arkansas=AR|California=CA|Colorado=CO|Connecticut=CT|Delaware=DE|Florida=FL|"
    "Georgia=GA|Hawaii=HI|Idaho=ID|Illinois=IL|Indiana=IN|Iowa=IA|Kansas=KS|Kentucky=KY|Louisiana=LA|Maine=ME|"
    "Maryland=MD|Massachusetts=MA|Michigan=MI|Minnesota=MN|Mississippi=MS|Missouri=MO|Montana=MT|Nebraska=NE|"
    "Nevada=NV|New Hampshire=NH|New Jersey=NJ|New Mexico=NM|New York=NY|North Carolina=NC|North Dakota=ND|Ohio=OH|"
    "Oklahoma=OK|Oregon=OR|Pennsylvania=PA|Rhode Island=RI|South Carolina=SC|South Dakota=SD|Tennessee=TN|Texas=TX|"
    "Utah=UT|Vermont=VT|Virginia=VA|Washington State=WA|Washington D.C.=DC|West Virginia=WV|Wisconsin=WI|Wyoming=WY"
)
STATE_NAMES = dict(pair.split("=") for pair in NAMES.split("|"))
STATES = TERRITORIES | frozenset(STATE_NAMES.values())


@dataclass(frozen=True)
class Zip:
    """What the sources say of one ZIP code: the zones at its centre, and those around it as well."""

    state: str
    centre: frozenset[str]
    zones: frozenset[str]
    areas: tuple[int, ...]


def check_clocks() -> None:
    """Compare the clocks that are taken for one, hour by hour. Raises SystemExit when two differ."""
    hours = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(8 * 366 * 24)]
    for main, others in CLOCKS.items():
        zone = zoneinfo.ZoneInfo(main)
        offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
        for name in others:
            other = zoneinfo.ZoneInfo(name)
            if any(hour.astimezone(other).utcoffset() != offset for hour, offset in zip(hours, offsets, strict=True)):
                raise SystemExit(f"{name} has not kept the clock of {main}")


def points(latitude: float, longitude: float) -> Iterator[tuple[float, float]]:
    """Yield sixteen points on each of two circles around a centre."""
    for km in (8, 16):
        for step in range(16):
            angle = step * math.tau / 16
            north = km / 111.2
            yield (
                latitude + north * math.cos(angle),
                longitude + north * math.sin(angle) / math.cos(math.radians(latitude)),
            )


def zones_at(latitude: float, longitude: float) -> set[str]:
    """Return what the map says of a point; nothing for one abroad or at sea."""
    return {MAIN[name] for name in tzfpy.get_tzs(longitude, latitude) if name in MAIN}


def ziptz_zone(code: str) -> str:
    """Return what ziptz-us says, "" when it knows nothing."""
    try:
        return ziptz.zone(code)
    except ziptz.ZipError:
        return ""


def read_zips() -> dict[int, Zip]:
    """Ask the three sources about every ZIP code that lies in a state; military ones have neither state nor zone."""
    found = {}
    for row in zipcodes.list_all():  # type: ignore[no-untyped-call]
        if row["state"] not in STATES:
            continue
        latitude, longitude = float(row["lat"]), float(row["long"])
        named = {MAIN[name] for name in (row["timezone"], ziptz_zone(row["zip_code"])) if name in MAIN}
        centre = named | zones_at(latitude, longitude)
        around = centre.union(*(zones_at(*point) for point in points(latitude, longitude)))
        areas = tuple(int(area) for area in row["area_codes"])
        found[int(row["zip_code"])] = Zip(row["state"], frozenset(centre), frozenset(around), areas)
    return found


def state_of(region: str, description: str) -> str:
    """Return the state that phonenumbers means by "Texas", "Houston, TX" or a territory; "" for none."""
    if region in TERRITORIES:
        return region
    town, _, state = description.rpartition(", ")
    return state if town and state in STATES else STATE_NAMES.get(description, "")


def read_area(area: int) -> tuple[str, set[str]]:
    """Ask phonenumbers about every exchange of an area code: its state, "" if it has none, and its zones."""
    states: Counter[str] = Counter()
    zones: set[str] = set()
    for exchange in range(200, 1000):
        number = PhoneNumber(country_code=1, national_number=(area * 1000 + exchange) * 10_000 + 123)
        region = region_code_for_number(number)
        # Toll-free and other non-geographic numbers have no description.
        description = geocoder.description_for_number(number, "en")
        if region in {"US", *TERRITORIES} and description:
            states[state_of(region, description)] += 1
            zones |= {MAIN[name] for name in timezone.time_zones_for_number(number) if name in MAIN}
    # An area code lies in one state; a stray exchange (one of 201, "New York") is a slip.
    return (states.most_common(1)[0][0] if states else ""), zones


def read_areas(zips: Mapping[int, Zip]) -> dict[int, Place]:
    """Return the places of all geographic area codes."""
    of_state: dict[str, set[str]] = defaultdict(set)
    of_area: dict[tuple[str, int], set[str]] = defaultdict(set)
    for row in zips.values():
        of_state[row.state] |= row.centre
        for area in row.areas:
            of_area[row.state, area] |= row.centre
    found = {}
    for area in range(200, 1000):
        state, zones = read_area(area)
        zones = zones & of_state[state] | of_area[state, area]
        if state and zones:
            found[area] = Place(frozenset({state}), frozenset(zones))
    return found


def main() -> None:
    """Build the table and print what it counts."""
    built = date.fromisoformat(sys.argv[1])
    zoneinfo.reset_tzpath(())  # the rules of the tzdata package, not the machine's
    check_clocks()
    rows = read_zips()
    zips = {code: Place(frozenset({row.state}), row.zones) for code, row in rows.items()}
    if lost := [code for code, place in zips.items() if not place.is_known]:
        raise SystemExit(f"no zone for {lost}")
    areas = read_areas(rows)
    sources = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    text = render(f"{built}: {sources}, boundaries {tzfpy.data_version()}", COMMENTS, zips, areas)
    TARGET.write_text(text, encoding="ascii")
    for name, places in (("ZIP codes", zips), ("area codes", areas)):
        several = sum(len(place.zones) > 1 for place in places.values())
        print(f"{len(places)} {name}, {several} with several zones, {len(set(places.values()))} different places")
    print(f"{len({*zips.values(), *areas.values()})} different places in all, {len(text)} bytes")


if __name__ == "__main__":
    main()
