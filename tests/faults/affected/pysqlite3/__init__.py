"""In the place of the real pysqlite3 where this folder is on PYTHONPATH: see dbapi2."""
