"""Steps: what casedial does within one transaction.

A step takes an open transaction, the firm or the caller, what is asked for and, where time matters, ``now``. It never
commits, and knows no store. The requests of dialers go through steps alone, for their reply is made and kept in their
transaction; all else that people and programs ask for is an operation, in the folder ``operations``.

dialing.py    the five methods of the specification; replies.py    what a repeat of one gets
claims.py     claims after their opening: extend, release, return
claiming.py    the claim where calling rules are applied; judging.py    by which rules, and one case explained
holding_back.py preflights.py    what may not be called now, held back and counted
dispositions.py    what follows from a report
do_not_call.py standing.py    who is kept off the dial list, and by whom
cases.py changes.py imports.py rehearsing.py    cases: one whole, some changed, some from a file
firms.py keys.py statuses.py campaigns.py    an operator's configuration
"""
