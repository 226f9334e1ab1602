"""Runs a command, prints how long it took, and passes its exit code on: ``timed.py NAME COMMAND…``."""

from __future__ import annotations

import subprocess
import sys
import time


def main() -> int:
    """Run and report."""
    name, *command = sys.argv[1:]
    print(f"== {name}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, check=False).returncode
    verdict = "ok" if code == 0 else f"FAILED with exit code {code}"
    print(f"== {name}: {verdict} after {time.monotonic() - started:.1f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
