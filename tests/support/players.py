"""Quiz players and a host made of Python session clients."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx

from holdfast.session import SessionClient


def quiz_of(questions: int, limit_ms: int = 8000) -> dict[str, Any]:
    """A quiz whose first choice is always right."""
    return {
        "title": "Load",
        "questions": [
            {
                "text": f"Question {number}",
                "choices": [{"text": "right", "correct": True}, {"text": "wrong"}],
                "limit_ms": limit_ms,
            }
            for number in range(questions)
        ],
    }


class Face:
    """A session of the quiz with its reduced state."""

    def __init__(self, url: str, auth: dict[str, Any]) -> None:
        self.channels: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, Any]] = []
        self.client = SessionClient(url, auth, on_state=self._state, on_event=self._event)

    @property
    def stage(self) -> dict[str, Any]:
        return next((v for k, v in self.channels.items() if k.count("/") == 1), {})

    @property
    def me(self) -> dict[str, Any]:
        return self.channels.get("@me", {})

    def _state(self, channel: str, state: Any) -> None:
        self.channels[channel] = state
        self.changed()

    def _event(self, channel: str, data: Any) -> None:
        self.seen.append((channel, data))
        known = self.channels.setdefault(channel, {})
        for key, value in data.items():
            if key == "roster":
                known.setdefault("roster", {}).update(value)
            else:
                known[key] = value
        self.changed()

    def changed(self) -> None:
        """Something is known that was not."""


class Player(Face):
    """Answers every question once, after thinking."""

    def __init__(self, url: str, event: str, key: str, source: random.Random, think: float) -> None:
        super().__init__(url, {"as": "player", "event": event, "key": key})
        self.source = source
        self.think = think
        self.replies: dict[int, Any] = {}
        self.errors: list[BaseException] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def changed(self) -> None:
        question = self.stage.get("question")
        if self.stage.get("phase") != "question" or question is None:
            return
        if question["index"] not in self._tasks:
            self._tasks[question["index"]] = asyncio.create_task(self._answer(question["index"]))

    async def _answer(self, number: int) -> None:
        took = self.source.uniform(0.1, self.think)
        await asyncio.sleep(took)
        body = {
            "do": "answer",
            "question": number,
            "choices": [self.source.choice([0, 0, 1])],
            "took_ms": round(1000 * took),
        }
        try:
            self.replies[number] = await self.client.send(body)
        except Exception as error:
            self.errors.append(error)

    async def answered(self, number: int) -> None:
        while number not in self._tasks:
            await asyncio.sleep(0.02)
        await self._tasks[number]


async def open_event(url: str, quiz: dict[str, Any]) -> dict[str, Any]:
    """Make a quiz and open an event; returns event, code and the host's key."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        made = (await http.post("/api/quiz/quizzes", json=quiz)).raise_for_status().json()
        wish = {"quiz": made["id"]}
        return (await http.post("/api/quiz/events", json=wish)).raise_for_status().json()


async def take_seats(url: str, code: str, count: int) -> list[str]:
    """Join many times; returns the keys."""
    keys = [f"key-of-player-{number:06d}" for number in range(count)]
    gate = asyncio.Semaphore(32)

    async with httpx.AsyncClient(base_url=url, timeout=30) as http:

        async def join(number: int, key: str) -> None:
            async with gate:
                wish = {"name": f"Player {number}", "key": key}
                (await http.post(f"/api/quiz/events/{code}/seats", json=wish)).raise_for_status()

        await asyncio.gather(*(join(number, key) for number, key in enumerate(keys)))
    return keys
