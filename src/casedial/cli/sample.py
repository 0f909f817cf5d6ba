"""What the demo prints of its sample firm."""

from __future__ import annotations

import shlex

import msgspec
import typer

from casedial.cli.common import err, show_json
from casedial.service.operations.sample import FIRM, Sample
from casedial.settings import Settings


def _lines(sample: Sample, root: str, base: str) -> dict[str, tuple[str, str]]:
    """Return for each method, and one beside them, what its line does, and the line to paste."""
    key = shlex.quote(f"X-ApiKey: {sample.key}")

    def post(method: str, body: object) -> str:
        text = shlex.quote(msgspec.json.encode(body).decode())
        return f"curl -H {key} -H 'Content-Type: application/json' -d {text} {base}/{method}"

    case_id = sample.case_id
    update = {"CaseID": case_id, "Status": "To Dial", "Attempts": 1, "Disposition": "No Answer"}
    by_phone = {"Phone": sample.phone, "Note": "Left a message."}
    return {
        "GetCasesToDial": (
            "the five cases that have been due longest, claimed in the same step",
            f"curl -H {key} '{base}/GetCasesToDial?Records=5&Auto-change=true'",
        ),
        "GetCaseInfo": ("one case", f"curl -H {key} '{base}/GetCaseInfo?CaseID={case_id}'"),
        "UpdateCaseStatus": ("no answer: dial it again at once", post("UpdateCaseStatus", {"Cases": [update]})),
        "AddCaseNote": ("a note on it", post("AddCaseNote", {"CaseID": case_id, "Note": "Asked to be called back."})),
        "AddCaseNoteByPhone": ("a note on every open case of a phone", post("AddCaseNoteByPhone", by_phone)),
        "Preflight": (
            "calling hours: what holds back the due cases of a campaign that has them",
            f"curl -H {key} '{root}/v1/preflight?Campaign=Questionnaire%20campaign'",
        ),
    }


def introduce(sample: Sample, settings: Settings, as_json: bool) -> None:
    """Print where the demo listens, its key, and a line to paste for each of the five methods."""
    root = f"http://{settings.host}:{settings.port}"
    lines = _lines(sample, root, root + settings.base)
    if as_json:
        curl = {method: line for method, (_, line) in lines.items()}
        made = {"firm": FIRM, "url": root, "key": sample.key, "database_url": settings.database_url, "curl": curl}
        console = {"url": f"{root}/console", "user": sample.user, "password": sample.password}
        show_json({**made, "console": console} if settings.has_console else made)
        return
    typer.echo(f"\ncasedial serves {FIRM} on {root}\n")
    if settings.has_console:
        typer.echo(f"console    {root}/console  (name {sample.user}, password {sample.password})")
    typer.echo(f"key        {sample.key}\nreference  {root}/docs\ndatabase   {settings.database_url}\n")
    for what, line in lines.values():
        typer.echo(f"# {what}\n{line}\n")
    err.print("Stop with Ctrl-C.")
