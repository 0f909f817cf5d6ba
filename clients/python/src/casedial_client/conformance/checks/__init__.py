"""The checks, a file for each section of the published text; they are tried in this order.

Each is registered when its file is imported, after those that it needs.
"""

from casedial_client.conformance.checks import key, listing, info, updates, dialing, notes, shapes, beyond  # noqa: I001

__all__ = ["beyond", "dialing", "info", "key", "listing", "notes", "shapes", "updates"]
