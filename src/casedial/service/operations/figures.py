"""What dialers reported in some days, and what became of the cases: kept figures, and what is not counted yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.errors import InvalidSetting
from casedial.domain.figures import By, Span, Tally, spans
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, StatusType
from casedial.service import figures as steps
from casedial.service.firms import open_firm
from casedial.service.operations import counting
from casedial.storage import figures

_MOST_PAGES = 20  # that somebody who looks at a page waits for


@dataclass(slots=True)
class Count:
    """How many reports, how many of them say that somebody was rung, and that somebody was spoken with."""

    reports: int = 0
    attempts: int = 0
    conversations: int = 0

    def add(self, other: Count) -> None:
        """Add other reports."""
        self.reports += other.reports
        self.attempts += other.attempts
        self.conversations += other.conversations


@dataclass(slots=True)
class Figures:
    """The figures of a firm from one day to another, both included, as the firm's clock has them.

    ``behind`` says how many rows of history were there and are not in it: servers are at them.
    """

    firm: Firm
    since: date
    until: date
    tally: Tally = field(default_factory=Tally)
    behind: int = 0

    def count(self, disposition_id: int, number: int) -> Count:
        """Return so many reports of a disposition as what they say."""
        flags = self.firm.statuses.known(disposition_id, StatusType.DISPOSITION).flags
        return Count(number, number * (Flag.ATTEMPT in flags), number * (Flag.CONVERSATION in flags))

    @property
    def total(self) -> Count:
        """Return all reports."""
        return _total(self, self.tally.vendors)

    def by(self, what: By) -> dict[str, Count]:
        """Return the reports by what somebody wants to know: statuses as the firm has them in order, else by name."""
        counts: dict[str, Count] = {}
        for name, disposition_id, number in self._named(what):
            counts.setdefault(name, Count()).add(self.count(disposition_id, number))
        kind = {By.DISPOSITION: StatusType.DISPOSITION, By.CAMPAIGN: StatusType.CAMPAIGN}.get(what)
        listed = [status.name for status in self.firm.statuses.of(kind)] if kind else []
        names = [name for name in listed if name in counts] + sorted(counts.keys() - set(listed))
        return {name: counts[name] for name in names}

    def _named(self, what: By) -> list[tuple[str, int, int]]:
        """Return under which name each disposition is counted, and how often."""
        tally = self.tally
        if what is By.VENDOR:
            return [(vendor, id, number) for (vendor, id), number in tally.vendors.items()]
        if what is By.HOUR:
            return [(f"{hour % 24:02}:00", id, number) for (hour, id), number in tally.hours.items()]
        if what is By.CAMPAIGN:
            return [(self.campaign(campaign), id, number) for (_, campaign, id), number in tally.weeks.items()]
        return [(self.disposition(id), id, number) for (_, id), number in tally.vendors.items()]

    def campaign(self, id: int) -> str:
        """Return the name of a campaign; "" for none."""
        return self.firm.statuses.known(id, StatusType.CAMPAIGN).name

    def disposition(self, id: int) -> str:
        """Return the name of a disposition."""
        return self.firm.statuses.known(id, StatusType.DISPOSITION).name


def _total(figures: Figures, counts: Mapping[tuple[str, int], int]) -> Count:
    total = Count()
    for (_, disposition_id), number in counts.items():
        total.add(figures.count(disposition_id, number))
    return total


async def look(
    store: Store, actor: Actor, firm_name: str, since: date, until: date, campaign_id: int | None = None
) -> Figures:
    """Return the figures of some days, of one campaign or all; 0 is that of cases in none. Raises FirmNotFound.

    What a server has not counted yet is counted here, as far as that does not take long.
    """
    return await _read(store.behind, firm_name, since, until, campaign_id, _MOST_PAGES)


async def count_reports(store: Store, actor: Actor, firm_name: str, since: date, until: date | None) -> Figures:
    """Return the figures from one day to another, by default today, to the last report.

    Raises FirmNotFound, InvalidSetting.
    """
    async with store.read() as tx:
        firm = await open_firm(tx, firm_name)
    last = until or store.now().astimezone(firm.zone).date()
    if last < since:
        raise InvalidSetting(f"--since {since} is after the last day, {last}.")
    await counting.Counter().catch_up(store)
    return await _read(store.behind, firm_name, since, last, None, None)


async def _read(
    store: Store, firm_name: str, since: date, until: date, campaign_id: int | None, most_pages: int | None
) -> Figures:
    async with store.read() as tx:  # one moment: what is kept, and what is not counted until then
        firm = await open_firm(tx, firm_name)
        found = Figures(firm, since, until)
        among = spans(firm.zone, since, until)
        for span in among:
            await figures.add_kept(tx, firm.id, span, campaign_id, found.tally)
        await _add_uncounted(tx, found, among, campaign_id, most_pages)
    return found


async def _add_uncounted(
    tx: Transaction, found: Figures, among: list[Span], campaign_id: int | None, most_pages: int | None
) -> None:
    after, last, pages = (await figures.place(tx)).history_id, await figures.last_id(tx), 0
    while until := await counting.end_of_page(tx, after, last):
        if pages == most_pages:
            found.behind = last - after
            return
        pages += 1
        counts = await steps.counted(tx, after, until, found.firm.id)
        for figure, number in counts.get(found.firm.id, Counter()).items():
            if campaign_id in (None, figure.campaign_id):
                found.tally.add(figure, number, among)
        after = until
