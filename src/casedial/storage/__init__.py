"""The database, SQLite or PostgreSQL: every query, in and out of domain objects.

engine.py     a database URL to a Store that opens transactions; the only place that knows which database it is
tables.py     tables and indexes
schema.py     migrations: make, move to head, tell where a database stands
firms.py keys.py statuses.py cases.py claims.py notes.py …    the queries, by subject
backup.py     a consistent copy while the server runs
"""
