"""GetCasesToDial: whether it answers at all."""

from __future__ import annotations

from casedial_client.conformance.judging import check
from casedial_client.conformance.reading import cases_of
from casedial_client.conformance.trial import Trial


@check("GetCasesToDial")
def a_list_is_returned(trial: Trial) -> None:
    """GetCasesToDial answers with a list of cases.

    It may be empty.
    """
    cases_of(trial.ask())
