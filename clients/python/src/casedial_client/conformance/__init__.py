"""Does a server speak the Predictive Dialer API? Tried from outside, sentence by sentence of the published text.

options.py     what a run is asked to do
sentences.py   the published text, sentence by sentence, and the checks that try each
checks/        the checks, a file for each section
judging.py     what a check is, and how verdicts come about
trial.py       what checks work with
lent.py        the cases that may be changed, and how they are put back
reading.py     what a reply says
wire.py        requests, and what came back
report.py      the verdicts as a table, JUnit XML and JSON
running.py     a run, from its options to its exit code
"""

from casedial_client.conformance.judging import CHECKS, Outcome, Verdict
from casedial_client.conformance.options import BadOptions, Options
from casedial_client.conformance.report import Report
from casedial_client.conformance.running import conform, run
from casedial_client.conformance.sentences import SENTENCES

__all__ = ["CHECKS", "SENTENCES", "BadOptions", "Options", "Outcome", "Report", "Verdict", "conform", "run"]
