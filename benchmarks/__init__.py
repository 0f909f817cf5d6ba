"""The benchmarks: ``make bench``, or ``python -m benchmarks --help``.

data.py     the data sets in PostgreSQL, made once and kept
machine.py  PostgreSQL and the servers under test, each a process that is ended with its block
own.py      the SQL that casedial ran before its claims became short, frozen, as scripts for pgbench
load.py     wrk and pgbench: one timed run, and what it measured
check.py    what a run left in the database, judged: nothing twice, nothing lost, oldest first
cells.py    the cells of the table: contestants side by side, in rounds of random order
growth.py   what more cases, other campaigns' cases, calling rules and old claims cost
files.py    imports beside COPY and executemany
lite.py     SQLite beside a loop over sqlite3
queues.py   pgqueuer and procrastinate, for orientation
report.py   what the documentation says of the results
pictures.py its two pictures
inhouse/    the server a team would write instead
lua/        what wrk sends
recorded/   the statements of own.py
"""
