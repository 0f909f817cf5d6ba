"""casedial: an open, self-hosted dial-list server for the Predictive Dialer API."""

__version__ = "0.1.0"
