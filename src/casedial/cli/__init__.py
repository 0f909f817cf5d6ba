"""The casedial command."""

def main() -> None:
    """Run it."""
