"""What is read although it is wrong: rows that are short, numbers that are texts, arrays where a number belongs.

Packets of the right shape are read by one call in C. When that refuses one, its fields are mended by their kind as
far as they can be understood: the good fields of a row are kept, a row that is none is passed over. What cannot be
mended is returned as it is, and refused for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.packets._shape import OrNothing
from holdfast.apps.i3.packets.asking import WhoRow
from holdfast.apps.i3.packets.channel import ChannelRow
from holdfast.apps.i3.packets.oob import FileRow
from holdfast.apps.i3.packets.session import MudRow, RouterRow

if TYPE_CHECKING:
    from collections.abc import Mapping

Mend = Callable[[object], object]
"""Makes of a field that came what its kind wants, as far as it can."""

_ROW: Final = 13
_ROW_TEXTS: Final = frozenset({1, 5, 6, 7, 8, 9, 10})
_EMAIL, _SERVICES, _OTHER = 10, 11, 12


def text(value: object) -> object:
    """Read a number where a text belongs; nothing is the empty text."""
    if isinstance(value, int | float):
        return str(value) if value else ""
    return value


def whole(value: object) -> object:
    """Read a float where an int belongs."""
    return int(value) if isinstance(value, float) else value


def texts(value: object) -> object:
    """Keep the texts of an array; nothing is the empty one."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)]
    return value or []


def services(value: object) -> object:
    """Keep what has a name and an int; anything that is no mapping has none."""
    if not isinstance(value, dict):
        return {}
    return {
        name: each
        for name, each in value.items()
        if isinstance(name, str) and isinstance(each, int)
    }


def users_by_mud(value: object) -> object:
    """Keep the texts of the arrays of a mapping; nothing is the empty one."""
    if isinstance(value, dict):
        return {
            key: [each for each in users if isinstance(each, str)]
            for key, users in value.items()
            if isinstance(users, list)
        }
    return value or {}


def who_rows(value: object) -> object:
    """Keep rows that begin with a name."""
    if not isinstance(value, list):
        return value or []
    rows: list[object] = []
    for row in value:
        if isinstance(row, list) and row and isinstance(row[0], str):
            idle, extra = [*row[1:3], 0, 0][:2]
            rows.append([row[0], _int(idle), _str(extra)])
    return rows


def router_rows(value: object) -> object:
    """Keep rows that have a name and an address."""
    if not isinstance(value, list):
        return value or []
    return [row for row in value if _are_texts(row, 2)]


def file_rows(value: object) -> object:
    """Keep rows that begin with a name."""
    if not isinstance(value, list):
        return value or []
    rows: list[object] = []
    for row in value:
        if isinstance(row, list) and row and isinstance(row[0], str):
            size, mtime = [*row[1:3], 0, 0][:2]
            rows.append([row[0], _int(size), _int(mtime)])
    return rows


def channel_rows(value: object) -> object:
    """Keep channels that have a host; a type that is no int is 0, a row that is nothing deletes."""
    if not isinstance(value, dict):
        return value or {}
    rows: dict[str, object] = {}
    for name, row in value.items():
        if not isinstance(name, str):
            continue
        if not row:
            rows[name] = None
        elif isinstance(row, list) and isinstance(row[0], str):
            rows[name] = [row[0], _int(row[1]) if len(row) > 1 else 0]
    return rows


def mud_rows(value: object) -> object:
    """Keep muds; fields of wrong kinds are nothing, a row that is nothing deletes."""
    if not isinstance(value, dict):
        return value or {}
    rows: dict[str, object] = {}
    for name, row in value.items():
        if not isinstance(name, str):
            continue
        if not row:
            rows[name] = None
        elif isinstance(row, list):
            rows[name] = _mud_row(row)
    return rows


def _mud_row(row: list[object]) -> list[object]:
    if len(row) > _EMAIL and isinstance(row[_EMAIL], dict):  # an older row has no e-mail
        row = [*row[:_EMAIL], "", *row[_EMAIL:]]
    row = [*row[:_ROW], *[0] * (_ROW - len(row))]
    mended = [_str(each) if at in _ROW_TEXTS else _int(each) for at, each in enumerate(row)]
    mended[_SERVICES] = services(row[_SERVICES])
    mended[_OTHER] = row[_OTHER]
    return mended


def _int(value: object) -> object:
    return int(value) if isinstance(value, int | float) else 0


def _str(value: object) -> object:
    if isinstance(value, str):
        return value
    return text(value) if isinstance(value, int | float) else ""


def _are_texts(row: object, least: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) >= least
        and all(isinstance(each, str) for each in row[:least])
    )


BY_KIND: Final[Mapping[object, Mend]] = {
    OrNothing: text,
    int: whole,
    tuple[str, ...]: texts,
    dict[str, int]: services,
    dict[str, tuple[str, ...]]: users_by_mud,
    dict[int | str, tuple[str, ...]]: users_by_mud,
    tuple[WhoRow, ...]: who_rows,
    tuple[RouterRow, ...]: router_rows,
    tuple[FileRow, ...]: file_rows,
    dict[str, ChannelRow | None]: channel_rows,
    dict[str, MudRow | None]: mud_rows,
}
"""What mends a field, by its annotation."""
