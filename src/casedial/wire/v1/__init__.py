"""JSON of the firm's own systems, below /v1, to and from the domain (decision 56)."""
