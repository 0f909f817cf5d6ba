"""What casedial does: one function for each API method and operator action.

Each takes an open transaction, the firm or caller, the request and, where time matters, ``now``; none commits.

dialing.py    the five methods of the specification
firms.py keys.py statuses.py    an operator's configuration
cases.py      one case whole, and changing many
claims.py     claims after their opening: extend, release, return
calling.py    calling rules at the claim, explained, counted; campaigns.py do_not_call.py what they go by
retention.py forgetting.py doctor.py    what goes, and what needs an eye
"""
