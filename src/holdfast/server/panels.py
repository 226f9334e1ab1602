"""Sections of the dashboard that a program fills itself: figures and tables, shown without a line of TypeScript.

A panel is a function, called whenever the dashboard asks, that returns::

    {
        "title": "Router",
        "figures": {"MUDs online": 214, "Round trip": "31 ms"},
        "tables": [
            {"title": "Channels", "columns": ["Name", "Listeners"], "rows": [["imud_code", 12]], "empty": "None."}
        ],
    }
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import msgspec

from holdfast import limits

log = logging.getLogger("holdfast.server")

Cell = str | int | float | bool | None
"""What a figure or a cell may be; None is shown as a dash."""

Found = Mapping[str, object]
Panel = Callable[[], Found | Awaitable[Found]]
"""Returns the content of a panel, at once or awaited; it is asked each second while somebody looks."""


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """Rows below a title.

    Attributes:
        title: above it.
        columns: their names.
        rows: as many cells as columns each; past ``limits.PANEL_ROWS_MAX`` they are only counted.
        empty: said when there are no rows.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    empty: str = "None."


class Content(msgspec.Struct, forbid_unknown_fields=True):
    """What a panel shows.

    Attributes:
        title: of the section.
        figures: values by label.
        tables: below them.
    """

    title: str
    figures: dict[str, Cell] = {}
    tables: Annotated[list[Table], msgspec.Meta(max_length=limits.PANEL_TABLES_MAX)] = []


class Panels:
    """The panels of one server, in the order in which they were added."""

    def __init__(self) -> None:
        self._panels: dict[str, Panel] = {}
        self._failing: set[str] = set()

    def add(self, name: str, panel: Panel) -> None:
        """Add a panel, in the place of one of the same name."""
        assert name in self._panels or len(self._panels) < limits.PANELS_MAX, "too many panels"
        self._panels[name] = panel

    async def described(self) -> dict[str, dict[str, object]]:
        """Ask all panels; one that fails is shown as failing and does not hide the others."""
        return {name: await self._described(name, panel) for name, panel in self._panels.items()}

    async def _described(self, name: str, panel: Panel) -> dict[str, object]:
        try:
            found = panel()
            content = msgspec.convert(await found if inspect.isawaitable(found) else found, Content)
        except Exception as error:  # a panel's bug must not take the dashboard with it
            if name not in self._failing:  # once, not each second
                self._failing.add(name)
                log.exception("the panel %s failed", name)
            return {"title": name, "figures": {}, "tables": [], "error": f"{error}"}
        self._failing.discard(name)
        return {
            "title": content.title,
            "figures": content.figures,
            "tables": [_cut(table) for table in content.tables],
            "error": "",
        }


def _cut(table: Table) -> dict[str, object]:
    return {
        "title": table.title,
        "columns": table.columns,
        "rows": table.rows[: limits.PANEL_ROWS_MAX],
        "more": max(0, len(table.rows) - limits.PANEL_ROWS_MAX),
        "empty": table.empty,
    }
