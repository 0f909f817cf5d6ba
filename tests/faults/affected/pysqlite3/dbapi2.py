"""The SQLite of Python itself, said to be of a version with the WAL-reset bug, whichever it is."""

from sqlite3.dbapi2 import *  # noqa: F403

sqlite_version = "3.40.1"
sqlite_version_info = (3, 40, 1)
