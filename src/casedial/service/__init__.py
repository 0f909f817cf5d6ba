"""What casedial does: one function for each API method and operator action.

Each takes an open transaction, the firm or caller, the request and, where time matters, ``now``; none commits.

dialing.py    the five methods of the specification
firms.py keys.py statuses.py    an operator's configuration
cases.py      one case whole, and changing many
"""
