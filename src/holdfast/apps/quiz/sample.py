"""The quiz that is there on first start, so that a visitor plays within a minute."""

from __future__ import annotations

from typing import Final

from holdfast.apps.quiz.model import Choice, Question, QuizDraft


def _question(text: str, *choices: str, explanation: str, limit_ms: int = 15_000) -> Question:
    """Make a question; right choices begin with an asterisk."""
    return Question(
        text,
        tuple(Choice(choice.removeprefix("*"), choice.startswith("*")) for choice in choices),
        limit_ms=limit_ms,
        explanation=explanation,
    )


SAMPLE: Final = QuizDraft(
    "When the network fails",
    (
        _question(
            "What was the first message sent over the ARPANET in 1969?",
            "HELLO",
            "*LO",
            "PING",
            "TEST",
            explanation="They meant to type LOGIN; the system crashed after two letters.",
        ),
        _question(
            "Which of these carry internet traffic across oceans?",
            "*Cables on the sea floor",
            "*Satellites",
            "Weather balloons",
            "Submarines",
            explanation="Nearly all of it goes through cables about as thick as a garden hose.",
            limit_ms=20_000,
        ),
        _question(
            "A bird was made a carrier of packets in an official internet standard. Which one?",
            "The raven",
            "*The pigeon",
            "The albatross",
            "The owl",
            explanation="RFC 1149 of 1 April 1990. It was carried out in Norway: 9 packets, 4 replies.",
        ),
        _question(
            "What cut Armenia off the internet for hours in 2011?",
            "A solar storm",
            "A ship's anchor",
            "*A woman digging for copper",
            "A software update",
            explanation="Aged 75, she was looking for scrap metal in Georgia and found a fibre.",
        ),
        _question(
            "How long does light in a fibre need from London to New York?",
            "About 3 ms",
            "*About 28 ms",
            "About 280 ms",
            "About 3 s",
            explanation="5 600 km at two thirds of the speed of light. There and back is twice that.",
        ),
        _question(
            "What does a phone do when it reports full bars but nothing loads?",
            "*It has radio, but no way further",
            "It charges",
            "It dreams",
            "It waits for the next update",
            explanation="Bars show the radio link only. What is behind it can be dead: a half-open line.",
        ),
        _question(
            "The 'bug' in Grace Hopper's logbook of 1947 was …",
            "a wrong plus sign",
            "*a moth",
            "a spider",
            "a coffee stain",
            explanation="It was found in relay 70 of the Harvard Mark II and taped into the book.",
        ),
        _question(
            "Your connection breaks while you answer this. What happens to your answer?",
            "It is lost",
            "You must join again",
            "*It is kept and counted when you are back",
            explanation="Try it: switch to flight mode, answer, and switch back.",
            limit_ms=20_000,
        ),
    ),
)
