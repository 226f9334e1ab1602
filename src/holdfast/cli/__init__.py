"""The command ``holdfast``."""

from holdfast.cli.main import main

__all__ = ["main"]
