"""Names and texts: what may be sent, and what of a text from outside reaches a client."""

from __future__ import annotations

import re
from typing import Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error

_SUSPECT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]|%\\^")
_COLOURS: Final = re.compile("\x1b\\[[0-9;?]*[ -/]*[@-~]|%\\^(?:[A-Za-z0-9_+:]{1,24}%\\^)+|%\\^")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_BUT_ESCAPE: Final = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")


def cleaned(text: str, *, keeps_colours: bool = False) -> str:
    """Drop control bytes other than tab and newline, and colour codes unless they are wanted."""
    if _SUSPECT.search(text) is None:
        return text
    if keeps_colours:
        return _CONTROL_BUT_ESCAPE.sub("", text)
    return _CONTROL.sub("", _COLOURS.sub("", text))


def checked_text(text: str) -> str:
    """Return a text that may be sent.

    Raises:
        I3Error: 11005; it is empty or too long, or holds a zero or half of a character.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise I3Error(I3Code.TEXT_INVALID, "The text holds half of a character.") from error
    if not text or size > limits.TEXT_BYTES_MAX or "\0" in text:
        raise I3Error(
            I3Code.TEXT_INVALID,
            f"A text has 1 to {limits.TEXT_BYTES_MAX} bytes and no zero among them; this one has {size}.",
        )
    return text


def checked_name(name: str, what: str) -> str:
    """Return a name that may be sent.

    Args:
        name: of a mud, a user or a channel.
        what: which of them, for the error.

    Raises:
        I3Error: 11004; it is empty or too long, or holds control bytes.
    """
    if not 0 < len(name) <= limits.NAME_LENGTH_MAX or not name.isprintable():
        raise I3Error(
            I3Code.NAME_INVALID,
            f"The {what} has a name of 1 to {limits.NAME_LENGTH_MAX} printable characters.",
        )
    return name


def checked_user(name: str) -> str:
    """Return a user's name as it is sent: in lower case; empty is the mud itself. Raises as ``checked_name``."""
    return checked_name(name, "user").lower() if name else ""


def folded(mud: str) -> str:
    """Make a mud's name comparable as people write it: without case, with dots for blanks."""
    return mud.casefold().replace(".", " ")


def gesture(text: str, who: str, whom: str = "") -> str:
    """Fill in who makes a gesture, and towards whom; where the text does not say who, it is added."""
    if whom:
        text = text.replace("$O", whom)
    return text.replace("$N", who) if "$N" in text else f"{text} (from {who})"
