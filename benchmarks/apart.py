"""Measures each library in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_process(script: str, name: str, *figures: float, limit: float) -> dict[str, float] | None:
    """Run ``script --one name figures…`` and return the JSON it prints; None, with a line why, when it fails."""
    command = [sys.executable, script, "--one", name, *(str(figure) for figure in figures)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        print(f"  {name:32s} not measured: not done after {limit:g} s")
        return None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        print(f"  {name:32s} not measured: {lines[-1][:100]}")
        return None
    found: Mapping[str, float] = json.loads(done.stdout)
    return dict(found)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
