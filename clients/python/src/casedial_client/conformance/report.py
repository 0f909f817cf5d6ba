"""A run's verdicts for people, for CI, and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any
from xml.etree import ElementTree

import msgspec

from casedial_client.conformance.judging import BEYOND, Outcome, Verdict
from casedial_client.conformance.sentences import SECTIONS, SENTENCES

_ORDER = {section: place for place, section in enumerate((*SECTIONS, "Return values", BEYOND))}
_XML = {code: None for code in range(32) if code not in (9, 10, 13)}  # which XML cannot hold


@dataclass(frozen=True)
class Report:
    """What a whole run came to; ``lost`` are cases that could not be put back."""

    url: str
    is_casedial: bool
    outcomes: Sequence[Outcome]
    lost: Sequence[str]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Tell whether nothing failed, and all is as it was."""
        return not self.lost and all(outcome.verdict is not Verdict.FAILS for outcome in self.outcomes)

    def by_section(self) -> Iterator[tuple[str, list[Outcome]]]:
        """Yield each section of the published text with its outcomes."""
        for section in sorted({outcome.check.section for outcome in self.outcomes}, key=_ORDER.__getitem__):
            yield section, [outcome for outcome in self.outcomes if outcome.check.section == section]


def as_text(report: Report) -> str:
    """Return the verdicts as a table, then each failure in full."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    width = max((len(outcome.check.name) for outcome in report.outcomes), default=0)
    for section, outcomes in report.by_section():
        yield section
        for outcome in outcomes:
            yield f"  {outcome.verdict:9}  {outcome.check.name:{width}}  {outcome.check.says}"
            if outcome.verdict is Verdict.NOT_TRIED:
                yield f"{'':{width + 15}}({outcome.why})"
    for outcome in report.outcomes:
        if outcome.verdict is Verdict.FAILS:
            yield f"\nFAILS: {outcome.check.name}\n{indent(_failure(outcome), '  ')}"
    yield "\n" + _summary(report)
    for text in report.lost:
        yield f"Not put back: {text}"


def _failure(outcome: Outcome) -> str:
    exchange = outcome.exchange
    told = {"says": outcome.check.says, "expected": outcome.why}
    if exchange:
        told = {
            "says": outcome.check.says,
            "sent": exchange.request(),
            "came": exchange.reply(),
            "expected": outcome.why,
        }
    return "\n".join(f"{name + ':':10}{text}" for name, text in told.items())


def _summary(report: Report) -> str:
    counts = Counter(outcome.verdict for outcome in report.outcomes)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)
    left = len([sentence for sentence in SENTENCES if sentence.untried])
    other = "" if report.is_casedial else " What casedial alone promises was left out: this is another server."
    return (
        f"{report.url}: {told}, in {report.seconds:.1f} s. "
        f"{left} of {len(SENTENCES)} sentences cannot be tried from outside.{other}"
    )


def as_json(report: Report) -> bytes:
    """Return the verdicts as one JSON document."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "url": report.url,
                "casedial": report.is_casedial,
                "good": report.is_good,
                "seconds": round(report.seconds, 3),
                "checks": [_document(outcome) for outcome in report.outcomes],
                "untried": [{"section": s.section, "says": s.words, "why": s.untried} for s in SENTENCES if s.untried],
                "not_put_back": list(report.lost),
            }
        )
    )


def _document(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": outcome.check.name,
        "section": outcome.check.section,
        "says": outcome.check.says,
        "verdict": outcome.verdict,
    }
    if outcome.why:
        found["expected" if outcome.verdict is Verdict.FAILS else "why"] = outcome.why
    if outcome.exchange:
        found |= {"sent": outcome.exchange.request(), "came": outcome.exchange.reply()}
    return found


def as_junit(report: Report) -> bytes:
    """Return the verdicts as JUnit XML: a suite for each section."""
    root = ElementTree.Element("testsuites", name="casedial conformance", time=f"{report.seconds:.3f}")
    for section, outcomes in report.by_section():
        counts = Counter(outcome.verdict for outcome in outcomes)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=section,
            tests=str(len(outcomes)),
            failures=str(counts[Verdict.FAILS]),
            skipped=str(counts[Verdict.NOT_TRIED]),
            time=f"{sum(outcome.seconds for outcome in outcomes):.3f}",
        )
        for outcome in outcomes:
            _test_case(suite, outcome)
    for text in report.lost:
        case = ElementTree.SubElement(root, "testcase", name="every case is put back", classname="conformance")
        ElementTree.SubElement(case, "failure", message=text)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _test_case(suite: ElementTree.Element, outcome: Outcome) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=outcome.check.name,
        classname=f"conformance.{outcome.check.section.replace(' ', '-')}",
        time=f"{outcome.seconds:.3f}",
    )
    if outcome.verdict is Verdict.FAILS:
        failure = ElementTree.SubElement(case, "failure", message=outcome.why.translate(_XML))
        failure.text = _failure(outcome).translate(_XML)
    if outcome.verdict is Verdict.NOT_TRIED:
        ElementTree.SubElement(case, "skipped", message=outcome.why.translate(_XML))
