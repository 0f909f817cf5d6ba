"""The HTTP server.

server.py     casedial serve's own process: workers, and what becomes of them; descriptors.py their connections
app.py        puts a worker together
edge.py       every request's outermost layer: path, request id, headers, log line, metrics
auth.py       X-ApiKey to caller
api.py        the five methods: read, transact, answer
calling.py    why a case may be called or not, beside the specification
bodies.py     what a request brings, within bounds
exchange.py   a request as it was read, its reply before it is sent; replay.py keeps replies for repeats
upkeep.py     what a server does without being asked
problems.py   errors to statuses and problem documents
probes.py     health, metrics, the interactive reference
openapi.py    the OpenAPI document
links.py      what in it can follow a reply; examples.py its examples
observe.py    log lines and metrics, and what must never be in them
outlet.py     standard output, never waited for; counts.py what the workers counted, added up
"""
