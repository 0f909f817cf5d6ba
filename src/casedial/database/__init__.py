"""The database itself, SQLite or PostgreSQL.

engine.py     a database URL to a Store that opens transactions
dialects/     all that depends on which database it is, an object for each
sessions.py   statements straight to the drivers; sqlite.py and postgresql.py: their connections and sessions
tables.py     tables and indexes
schema.py     make them, move them to head, tell where a database stands; migrations/ the steps
bulk.py       many rows at once; backup.py a consistent copy while the server runs
"""
