"""``casedial sandbox``: a server whose clock, data and faults a vendor's tests command.

It is casedial itself, of one process and one SQLite file, with a layer around it that ``casedial serve`` does not have.

app.py        the layer: it writes down calls, does faults to them, and passes them on
control.py    what is at /sandbox
faults.py     what may go wrong with the next calls
calls.py      what happened
world.py      the server inside: a database with a scenario in it, replaced as a whole at a reset
scenarios.py  the data, and the keys
door.py       where clients connect: it can cut a reply, and reset a connection
run.py        all of it, until it is told to stop
"""
