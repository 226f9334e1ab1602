"""Writes the folders of the three nodes: a configuration each, and the agent's file beside it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent

AGENTS = {
    "planner": 'function = "planner:plan"\nmay_run_again = true',
    "worker": f'command = [{sys.executable!r}, "worker.py"]\nmay_run_again = true\nmax_concurrent = 2',
    "keeper": 'function = "keeper:keep"\nmay_run_again = true\nallow = ["planner"]',
}


def configure(folder: Path, gateways: Sequence[str], mode: str = "direct") -> dict[str, Path]:
    """Make a folder for each node and return the configurations by name."""
    written = {}
    for name, agent in AGENTS.items():
        home = folder / name
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / f"{name}.py", home)
        written[name] = home / "agents.toml"
        written[name].write_text(
            f'name = "{name}"\nmode = "{mode}"\ngateways = {list(gateways)!r}\n'
            f"\n[agents.{name}]\n{agent}\n"
        )
    return written
