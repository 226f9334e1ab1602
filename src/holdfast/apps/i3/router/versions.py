"""A map whose changes are numbered, so that one who holds an older state is sent only what he has not seen.

Theory. Each change gets the next number, and its name moves to the end of the map, so that the map is in the order
of its changes and "all since N" is its tail. What is removed leaves a mark, which is a change like any other. Marks
are bounded: past the bound the oldest is forgotten, and who holds an older state than that is sent everything. A
list is always a set of changes, never a replacement; who is sent everything may keep a name that was forgotten.

What is sent is written when it changes, once, and not for each who is sent it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class Change(NamedTuple, Generic[T]):
    """What a name stands for since a change.

    Attributes:
        number: of the change.
        name: of what has changed.
        value: what it is now, None when it is gone.
        written: as an element of a mapping, with its comma.
        size: bytes of that.
    """

    number: int
    name: str
    value: T | None
    written: str
    size: int


RESTART_GAP: Final = 1000
"""Numbers that are passed over at a restart: some may have been told whose commit failed."""


class Versions(Generic[T]):
    """The map.

    Args:
        write: makes an element of a mapping, with its comma, of a name and its value, or None for gone.
        gone_max: marks of what is gone that are kept.

    Attributes:
        last: the number of the newest change.
    """

    def __init__(self, write: Callable[[str, T | None], str], gone_max: int) -> None:
        self._write = write
        self._gone_max = gone_max
        self._changes: dict[str, Change[T]] = {}
        self._gone: dict[str, None] = {}
        self._floor = 0
        self.last = 0

    def __len__(self) -> int:
        return len(self._changes) - len(self._gone)

    def __iter__(self) -> Iterator[T]:
        return (each.value for each in self._changes.values() if each.value is not None)

    def get(self, name: str) -> T | None:
        """Return what a name stands for, None when it is not there."""
        found = self._changes.get(name)
        return None if found is None else found.value

    def restore(self, last: int, values: Iterable[tuple[str, T | None]]) -> None:
        """Begin with what was kept; who holds an older state is sent everything."""
        self.last = last + RESTART_GAP
        for name, value in values:
            self.last += 1
            self._put(name, value, self.last)

    def put(self, name: str, value: T) -> int:
        """Set what a name stands for; return the number of the change."""
        self.last += 1
        self._put(name, value, self.last)
        return self.last

    def amend(self, name: str, value: T) -> None:
        """Change what a name that is there stands for in something that is not told, so that it is no change."""
        self._changes[name] = self._changes[name]._replace(value=value)

    def remove(self, name: str) -> int:
        """Leave a mark where a name was; return the number of the change."""
        self.last += 1
        self._put(name, None, self.last)
        return self.last

    def since(self, number: int) -> list[Change[T]]:
        """Return what has changed after a state, oldest first: everything when that state is not known."""
        if not self._floor <= number <= self.last:
            return list(self._changes.values())
        found: list[Change[T]] = []
        for change in reversed(self._changes.values()):
            if change.number <= number:
                break
            found.append(change)
        found.reverse()
        return found

    def _put(self, name: str, value: T | None, number: int) -> None:
        self._changes.pop(name, None)
        self._gone.pop(name, None)
        written = self._write(name, value)
        size = len(written) if written.isascii() else len(written.encode("utf-8", "replace"))
        self._changes[name] = Change(number, name, value, written, size)
        if value is None:
            self._gone[name] = None
            if len(self._gone) > self._gone_max:
                oldest = next(iter(self._gone))
                del self._gone[oldest]
                self._floor = self._changes.pop(oldest).number


def pages(changes: list[Change[T]], size_max: int) -> Iterator[list[Change[T]]]:
    """Divide changes so that each part has at most ``size_max`` bytes, or one change.

    The number of the last change of a part is the state that one has who was told up to it.
    """
    page: list[Change[T]] = []
    size = 0
    for change in changes:
        if page and size + change.size > size_max:
            yield page
            page, size = [], 0
        page.append(change)
        size += change.size
    if page:
        yield page
