"""``holdfast i3``: a router, a gateway, and a demonstration of both."""

from __future__ import annotations

import typer

program = typer.Typer(
    help="Intermud-3: a private network of muds, and a gateway to any.", no_args_is_help=True
)


@program.callback()
def _group() -> None:
    """Keep the name of a command needed even while there is one."""
