"""The command ``holdfast``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; without the server's packages say which are missing."""
    try:
        from holdfast.cli.main import program  # noqa: PLC0415 - its packages may not be there
    except ModuleNotFoundError as error:
        sys.exit(
            f"holdfast: {error.name} is missing. The command needs: pip install 'holdfast[server]'"
        )
    program()
