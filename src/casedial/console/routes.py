"""All pages, gathered from the subjects."""

from __future__ import annotations

from casedial.console import (
    account,
    audit,
    campaigns,
    case,
    cases,
    changes,
    do_not_call,
    exports,
    files,
    imports,
    keys,
    reports,
    rules,
    setup,
    signing_in,
    statuses,
    today,
    users,
    webhooks,
)
from casedial.console.routing import Table

_SUBJECTS = (
    *(files, signing_in, account, users, today, cases, case, changes),
    *(campaigns, do_not_call, reports, imports, exports),
    *(setup, statuses, rules, keys, webhooks, audit),
)
TABLE = Table(route for subject in _SUBJECTS for route in subject.ROUTES)
