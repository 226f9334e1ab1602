"""What one user says to another on a second mud."""

from __future__ import annotations

from holdfast.apps.i3.packets._shape import OrNothing, Packet


class Tell(Packet, tag="tell", frozen=True, kw_only=True):
    """A line for one user.

    Attributes:
        visname: the sender as he is shown; empty: as ``from_user``.
        text: as he wrote it.
    """

    visname: OrNothing
    text: str


class EmoteTo(Packet, tag="emoteto", frozen=True, kw_only=True):
    """A gesture for one user.

    Attributes:
        visname: as above.
        text: ``$N`` in it stands for ``visname@mud``.
    """

    visname: OrNothing
    text: str


class Beep(Packet, tag="beep", frozen=True, kw_only=True):
    """A tone; not in the specification, but seen."""

    visname: OrNothing
