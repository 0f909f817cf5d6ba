"""``python -m casedial_client.conformance``: what ``casedial conformance`` does, where there is no casedial."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from casedial_client.conformance.options import BadOptions, Options, flag, option_fields
from casedial_client.conformance.running import run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m casedial_client.conformance",
        description="Try a server against the Predictive Dialer API, sentence by sentence.",
        allow_abbrev=False,
    )
    for option in option_fields():
        how: dict[str, Any] = {"help": option.metadata["help"]}
        if option.type == "bool":
            how |= {"action": "store_true"}
        else:
            how |= {"metavar": option.metadata["metavar"]}
            how |= {"type": int} if option.type == "int" else {}
            how |= {"action": "append", "default": []} if option.type == "list[str]" else {"default": option.default}
        parser.add_argument(flag(option.name), dest=option.name, **how)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run with these arguments; return the exit code."""
    parser = _parser()
    try:
        return run(Options(**vars(parser.parse_args(arguments))))
    except BadOptions as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
