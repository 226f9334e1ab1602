"""Runs the tests and the type check of the web side with the Node that builds the pages."""

from __future__ import annotations

import subprocess
import sys

import build_pages


def main() -> int:
    """Install if need be, then check types and run Vitest."""
    npm = build_pages.machine_node() or build_pages.packaged_node()
    if not (build_pages.WEB / "node_modules").is_dir():
        subprocess.run([*npm, "ci", "--silent"], cwd=build_pages.WEB, check=True)
    for script in ("check", "test"):
        code = subprocess.run([*npm, "run", "--silent", script], cwd=build_pages.WEB, check=False)
        if code.returncode:
            return code.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
