"""The benchmarks: ``make bench``, or ``python -m benchmarks --help``.

data.py     the data sets in PostgreSQL, made once and kept
machine.py  PostgreSQL and the servers under test, each a process that is ended with its block
own.py      the SQL that casedial runs, as scripts for pgbench: recorded, not copied
load.py     wrk and pgbench: one timed run, and what it measured
check.py    what a run left in the database, judged: nothing twice, nothing lost, oldest first
cells.py    the cells of the table: contestants side by side, in rounds of random order
growth.py   what more cases, other campaigns' cases, calling rules and old claims cost
files.py    imports beside COPY and executemany
lite.py     SQLite beside a loop over sqlite3
queues.py   pgqueuer and procrastinate, for orientation
report.py   the table, as text and as Markdown, and the plot of growth
inhouse/    the server a team would write instead
lua/        what wrk sends
"""
