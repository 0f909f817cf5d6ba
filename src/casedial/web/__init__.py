"""The HTTP server.

app.py        puts it together
edge.py       every request's outermost layer: path, request id, headers, log line, metrics
auth.py       X-ApiKey to caller
api.py        the five methods: read, transact, answer
problems.py   errors to statuses and problem documents
pages.py      health, metrics, the interactive reference
openapi.py    the OpenAPI document
links.py      what in it can follow a reply
observe.py    log lines and metrics, and what must never be in them
"""
