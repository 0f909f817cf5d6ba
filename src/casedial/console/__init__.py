"""The console: the firm's side of the dial list, in a browser.

A page is an async function that takes a ``Visit`` and returns what to answer; it calls one operation. To put one in:
write it into the file of its subject, list it there in ``ROUTES`` with the least role it needs, and put a template of
the same subject into ``templates/``.

app.py         answers a request: the door, the page, the headers that every reply has
routes.py      all routes, gathered from the subjects; routing.py how one is declared and found
visits.py      what a page gets: who is there, of which firm, what was asked
forms.py       bodies of requests, read within bounds, and what is wrong in them
answers.py     what a page returns: Page, Fragment, Redirect, Download
rendering.py   templates and their filters
doors.py       cookies, tokens of forms, where a redirect may lead
"""
