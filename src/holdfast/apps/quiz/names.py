"""Names of people: what is a name, and when two are the same."""

from __future__ import annotations

import unicodedata
from typing import Final

from holdfast.apps.quiz.errors import QuizCode, QuizError
from holdfast.apps.quiz.limits import NAME_LENGTH_MAX

JOINERS: Final = frozenset("\u200c\u200d")
"""Format characters that emoji and some scripts cannot do without."""


def clean_name(text: str) -> str:
    """Return a name as it is shown.

    Raises:
        QuizError: 10003; it is empty, too long, or has characters that nobody can see.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name:
        raise QuizError(QuizCode.NAME_INVALID, "Please give a name.")
    if len(name) > NAME_LENGTH_MAX:
        raise QuizError(
            QuizCode.NAME_INVALID,
            f"This name has {len(name)} characters; {NAME_LENGTH_MAX} fit.",
            length=len(name),
        )
    if any(_is_hidden(char) for char in name) or not any(_is_visible(char) for char in name):
        raise QuizError(QuizCode.NAME_INVALID, "This name has characters that cannot be shown.")
    return name


def folded(name: str) -> str:
    """Return what two names have in common when a person would call them the same."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return " ".join("".join(char for char in text if char not in JOINERS).split())


def _is_hidden(char: str) -> bool:
    """Control, direction-changing, private and unassigned characters."""
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} and char not in JOINERS


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNPS"
