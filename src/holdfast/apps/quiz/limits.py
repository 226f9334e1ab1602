"""Every bound of the quiz, with its unit and its reason; what happens at it stands in parentheses."""

from __future__ import annotations

from typing import Final

SEATS_PER_EVENT_MAX: Final = 5000
"""Participants of one event (EVENT_FULL); one process serves more connections than that."""

EVENTS_OPEN_MAX: Final = 200
"""Events that are alive at once (TOO_MANY)."""

QUIZZES_PER_AUTHOR_MAX: Final = 200
"""Quizzes of one browser (TOO_MANY)."""

EVENT_TTL_MS: Final = 24 * 3600 * 1000
"""Milliseconds that an event lives; then its rows, channels and sessions are swept."""

SWEEP_INTERVAL_MS: Final = 10 * 60 * 1000
"""Milliseconds between two sweeps over old events."""

NAME_LENGTH_MAX: Final = 40
"""Characters of a name (NAME_INVALID); longer ones do not fit a projector."""

TITLE_LENGTH_MAX: Final = 120
TEXT_LENGTH_MAX: Final = 300
CHOICE_LENGTH_MAX: Final = 120
EXPLANATION_LENGTH_MAX: Final = 300
"""Characters (QUIZ_INVALID)."""

QUESTIONS_MAX: Final = 100
CHOICES_MIN: Final = 2
CHOICES_MAX: Final = 6
POINTS_MAX: Final = 2000
LIMIT_MS_MIN: Final = 5_000
LIMIT_MS_MAX: Final = 240_000
"""Counts, points and milliseconds of a question (QUIZ_INVALID)."""

ARRIVALS_SHOWN: Final = 12
"""Names shown in the lobby: those that came last."""

LEADERS_SHOWN: Final = 10
"""Names on the leaderboard; everybody gets the own row beside it."""

GET_READY_MS: Final = 3_000
"""Milliseconds between the question's way to the devices and its opening."""

REVEAL_WAIT_MS: Final = 2_000
"""Milliseconds that the reveal waits for seats that are away and have not answered."""

ALIVE_INTERVAL_MS: Final = 200
"""Milliseconds between two marks of life while a question runs: so exact is it continued."""

COUNTS_INTERVAL_MS: Final = 500
"""Milliseconds between two frames with counts, so that answers cost the others nothing."""

BLIP_MS: Final = 1_000
"""Milliseconds without connection that the host is not shown."""

SERVER_FAULT_MS: Final = 5_000
"""Milliseconds after a restart during which absence is the server's fault, not the player's."""

CLAIM_MS_MAX: Final = 24 * 3600 * 1000
"""The longest time that a device may claim to have thought (ANSWER_INVALID)."""

IN_FLIGHT_MS: Final = 300
"""Milliseconds after the closing in which an answer that was on its way may still arrive."""
