"""Hundreds of players on a real server process that is killed: everyone returns, nothing is lost."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.players import Face, Player, open_event, quiz_of, take_seats
from tests.support.processes import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.alone  # hundreds of people at once

PLAYERS = 300
STORM = 1000


async def until(condition: Callable[[], Any], within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


async def entered(stack: AsyncExitStack, faces: Sequence[Face]) -> None:
    await asyncio.gather(*(stack.enter_async_context(face.client) for face in faces))


async def click(host: Face, phase: str) -> None:
    """Go on, once the host's page shows this phase."""
    await until(lambda: host.stage["phase"] == phase)
    question = host.stage["question"]
    body = {"do": "next", "phase": phase, "question": question["index"] if question else -1}
    await host.client.send(body)


def report(name: str, times: list[float]) -> None:
    mean, worst = statistics.mean(times), max(times)
    print(f"\n{name}: {len(times)} returned, mean {mean:.2f} s, worst {worst:.2f} s")


async def returned(faces: Sequence[Face], since: float, restored: int) -> list[float]:
    """Wait until all have returned; returns the seconds that each needed since the path was there."""
    await until(lambda: all(face.client.restored >= restored for face in faces))
    return [max(0.0, (face.client.restored_at or 0.0) - since) for face in faces]


async def test_three_hundred_players_survive_a_kill_and_a_mass_disconnect(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    source = random.Random(7)
    server = ServerProcess(tmp_path / "data")
    with server:
        event = await open_event(server.url, quiz_of(3, limit_ms=60_000))
        keys = await take_seats(server.url, event["code"], PLAYERS)
        async with AsyncExitStack() as stack:
            host = Face(server.ws, {"as": "host", "event": event["event"], "key": event["key"]})
            players = [Player(server.ws, event["event"], key, source, 5.0) for key in keys]
            await entered(stack, [host, *players])

            await click(host, "lobby")
            await asyncio.gather(*(player.answered(0) for player in players))
            await click(host, "reveal")
            await click(host, "leaderboard")

            await until(lambda: sum(1 in player.replies for player in players) > PLAYERS // 4)
            server.kill()
            await asyncio.sleep(1.0)
            await server.start_async()
            times = await returned([host, *players], loop.time(), 1)
            report("after kill -9", times)
            await asyncio.gather(*(player.answered(1) for player in players))
            await click(host, "reveal")
            await click(host, "leaderboard")

            await until(lambda: sum(2 in player.replies for player in players) > PLAYERS // 4)
            for player in players:
                player.client.cut()
            report("after a mass disconnect", await returned(players, loop.time(), 2))
            await asyncio.gather(*(player.answered(2) for player in players))
            await click(host, "reveal")
            await click(host, "leaderboard")
            await until(lambda: host.stage["phase"] == "final")
            await until(lambda: all(player.stage["phase"] == "final" for player in players))

            assert not [error for player in players for error in player.errors]
            answers = stored_answers(server)
            assert len(answers) == 3 * PLAYERS
            for player in players:
                own = {q: row for (seat, q), row in answers.items() if seat == player.me["seat"]}
                assert set(own) == set(player.replies) == {0, 1, 2}
                assert player.me["score"] == sum(points for points, _ in own.values())
                for question, reply in player.replies.items():
                    assert reply["effective_ms"] == own[question][1]
            assert host.stage["players"] == PLAYERS
            assert len(host.channels[f"quiz/{event['event']}/host"]["roster"]) == PLAYERS
            told = [data for _, data in players[0].seen if "players" in data or "arrivals" in data]
            assert all(data.get("players", PLAYERS) == PLAYERS for data in told if "phase" in data)


def stored_answers(server: ServerProcess) -> dict[tuple[str, int], tuple[int, int]]:
    connection = sqlite3.connect(server.data / "holdfast.db")
    rows = connection.execute("SELECT seat, question, points, effective_ms FROM quiz_answer")
    answers = {(seat, question): (points, effective) for seat, question, points, effective in rows}
    connection.close()
    return answers


async def test_a_thousand_come_back_after_the_server_was_killed(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with ServerProcess(tmp_path / "data") as server:
        event = await open_event(server.url, quiz_of(1))
        keys = await take_seats(server.url, event["code"], STORM)
        source = random.Random(3)
        async with AsyncExitStack() as stack:
            players = [Player(server.ws, event["event"], key, source, 5.0) for key in keys]
            await entered(stack, players)
            sessions = {player.client.session for player in players}
            before = sum(player.client.bytes_passed for player in players)

            server.kill()
            await asyncio.sleep(1.0)
            await server.start_async()
            times = await returned(players, loop.time(), 1)

            traffic = sum(player.client.bytes_passed for player in players) - before
            report("storm of a thousand", times)
            print(f"storm traffic: {traffic / 1e6:.2f} MB")
            assert {player.client.session for player in players} == sessions
            assert traffic < 5_000_000
            assert all(player.stage["players"] == STORM for player in players)
