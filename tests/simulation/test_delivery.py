"""Nothing that was submitted is lost, nothing has its effect twice: with power loss, cuts, kills and wrong clocks."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.delivery import (
    MIGRATIONS,
    Accepted,
    Change,
    DeliveryState,
    Inbox,
    Message,
    Outbox,
    OutboxSettings,
)
from holdfast.delivery._ledger import Ledger
from holdfast.delivery.lanes import Lanes
from holdfast.storage import Database
from holdfast.testing import (
    Cut,
    Kill,
    Mode,
    NothingLost,
    Once,
    PowerOff,
    Simulation,
    Skew,
    run,
    search,
    simulate,
)
from tests.support import relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.testing import Host

PORT = 9000


class Post:
    """A sender that numbers what it says, a receiver, and what was promised."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.lost = NothingLost()
        self.sender = world.host("sender", profile="cafe")
        self.receiver = world.host("receiver")
        self.submitted = 0
        self.receiver.spawn(self.receive, self.receiver)

    async def receive(self, host: Host) -> None:
        await relay.receive_in(host.folder, "0.0.0.0", PORT, world=host)

    async def send(self, host: Host, count: int) -> None:
        async def act(outbox: Outbox, database: Database) -> None:
            while self.submitted < count:
                self.submitted += 1
                number = self.submitted
                await outbox.submit(
                    f"gate-{number % 3}",
                    b"%d" % number,
                    id=f"m{number}",
                    priority=number % 4,
                    ordered=number % 3 == 0,
                )
                self.lost.acknowledged(number)
                await asyncio.sleep(host.random.uniform(0, 0.2))
            await asyncio.Event().wait()

        await relay.send_from(host.folder, "receiver", PORT, act, world=host)

    def effects(self) -> list[int]:
        with closing(sqlite3.connect(self.receiver.folder / "receiver.db")) as connection:
            return [int(body) for _, body in relay.effects(connection)]

    def queued(self) -> int:
        with closing(sqlite3.connect(self.sender.folder / "sender.db")) as connection:
            count: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        return count

    async def check(self) -> None:
        await self.world.calm()
        await self.world.until(
            lambda: self.queued() == 0,
            within=60,
            what="all that was submitted arrives once the faults are over",
        )
        found = self.effects()
        self.lost.check(found)
        once = Once("each effect is had once")
        for number in found:
            once.happened(number)
        ordered = [number for number in found if number % 3 == 0]
        assert ordered == sorted(ordered), ordered


async def storm(world: Simulation) -> None:
    """Sender and receiver lose power, are killed and cut off from each other, and their clocks are set."""
    post = Post(world)
    post.sender.spawn(post.send, post.sender, 30)
    world.inject({PowerOff: 2, Kill: 2}, within=8, hosts=["sender", "receiver"], lasts=(0.1, 3))
    world.inject({Cut: 2}, within=8, links=[("sender", "receiver")], lasts=(0.1, 3))
    world.inject({Skew: 1}, within=8, hosts=["sender", "receiver"])
    await world.until(lambda: post.submitted >= 30, within=120, what="all is submitted")
    await post.check()


@simulate(seeds=1000, minutes=5)
async def test_nothing_is_lost_or_doubled_when_machines_lose_power(world: Simulation) -> None:
    await storm(world)


def effect_before_id(patch: pytest.MonkeyPatch) -> None:
    """The receiver remembers an id in another transaction than its effect."""

    async def accept(self: Inbox, sender: str, id: str, effect: Any) -> Accepted[Any]:
        found = await self._database.fetch_one("SELECT 1 FROM inbox WHERE id = ?", (id,))
        if found is not None:
            return Accepted(is_new=False, value=None)
        value = await self._database.write(effect)
        await self._database.execute("INSERT INTO inbox VALUES (NULL, ?, ?, 0)", (sender, id))
        return Accepted(is_new=True, value=value)

    patch.setattr(Inbox, "accept", accept)


def submitted_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    """``submit`` returns when the message was handed to the store."""
    add = Ledger.add

    def early(self: Ledger, *args: Any, **more: Any) -> Any:
        add(self, *args, **more)
        done = asyncio.get_running_loop().create_future()
        done.set_result(True)
        return done

    patch.setattr(Ledger, "add", early)


def new_lanes_do_not_ask_the_store(patch: pytest.MonkeyPatch) -> None:
    """After a restart a new message overtakes older ones whose lane was not found yet (was found by seed 32)."""
    patch.setattr(Lanes, "is_complete", True, raising=False)
    patch.setattr(
        Lanes,
        "__setattr__",
        lambda self, name, value: name == "is_complete" or object.__setattr__(self, name, value),
    )


@pytest.mark.parametrize(
    ("plant", "within"),
    [
        (effect_before_id, 40),
        (submitted_before_it_is_stored, 100),
        (new_lanes_do_not_ask_the_store, 200),
    ],
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    within: int,
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    plant(monkeypatch)
    finding = search(storm, range(within), shrinking=0)
    assert finding.failure is not None, f"{plant.__doc__} was not found in {within} seeds"
    simulation_note(f"planted: {plant.__name__} was found after {finding.runs} seeds")


# --- one thing at a time --------------------------------------------------------------------------

PLAIN = Mode()
DAY = 24 * 3600.0


def scene(scenario: Callable[[Simulation], Any], *, minutes: float = 10.0) -> Any:
    return run(scenario, seed=1, mode=PLAIN, minutes=minutes).value


def test_a_destination_that_is_dead_for_a_day_gets_all_and_delays_nobody() -> None:
    async def scenario(world: Simulation) -> tuple[list[str], float, int]:
        arrived: list[str] = []
        probes = 0
        worst = 0.0
        began: dict[bytes, float] = {}

        async def send(message: Message) -> None:
            nonlocal probes, worst
            await asyncio.sleep(0.01)
            if message.destination == "dead" and world.now < DAY:
                probes += 1
                raise ConnectionRefusedError("nobody there")
            arrived.append(f"{message.destination}:{message.body.decode()}")
            if message.destination == "alive":
                worst = max(worst, world.now - began[message.body])

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host) as outbox,
        ):
            for number in range(200):
                await outbox.submit("dead", b"%d" % number, ordered=number % 2 == 0)
            for number in range(24 * 6):
                began[b"%d" % number] = world.now
                await outbox.submit("alive", b"%d" % number)
                await asyncio.sleep(600)
            await world.until(lambda: len(arrived) == 344, within=200, what="all arrives")
            statistics = await outbox.statistics()
            assert statistics["delivered"] == 344
            assert statistics["dead_letters"] == 0
        ordered = [
            int(each[5:]) for each in arrived if each.startswith("dead") and int(each[5:]) % 2 == 0
        ]
        assert ordered == list(range(0, 200, 2))
        return arrived, worst, probes

    arrived, worst, probes = scene(scenario, minutes=25 * 60)
    assert len(set(arrived)) == 344
    assert worst < 0.1, "seconds that a message for another destination waited"
    assert probes < 2 * DAY / 30, "a dead destination is probed, not stormed"


def woken(*, wakes: bool) -> float:
    async def scenario(world: Simulation) -> float:
        async def send(message: Message) -> None:
            if world.now < 500:
                raise ConnectionRefusedError("away")

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host) as outbox,
        ):
            id = await outbox.submit("there", b"x")
            await asyncio.sleep(500 - world.now)
            assert outbox.breakers.get("there").state.value != "closed"
            if wakes:
                outbox.wake("there")
            await outbox.outcome(id)
            return world.now - 500

    waited: float = scene(scenario, minutes=20)
    return waited


def test_a_reconnect_wakes_what_waits_at_once() -> None:
    assert woken(wakes=True) < 0.1
    assert 0.1 < woken(wakes=False) <= 61


def test_a_clock_that_jumps_while_messages_wait_neither_expires_nor_delays_them() -> None:
    async def scenario(world: Simulation) -> list[tuple[str, float]]:
        arrived: list[tuple[str, float]] = []

        async def send(message: Message) -> None:
            arrived.append((message.body.decode(), round(world.now)))

        host = world.host("main")

        async def life(first: bool) -> None:
            async with (
                Database(host.folder / "a.db", MIGRATIONS) as database,
                Outbox(database, send, world=host) as outbox,
            ):
                if first:
                    await outbox.submit("x", b"in a minute", delay=60)
                    await outbox.submit("x", b"in an hour", delay=3600, ttl=7200)
                    host.skew(30 * DAY)
                    await asyncio.sleep(30)
                    host.skew(-60 * DAY)
                    await asyncio.sleep(40)
                else:
                    await asyncio.sleep(4000)

        await life(first=True)
        # The clock is a month behind what was stored: it is not believed.
        await life(first=False)
        return arrived

    arrived = scene(scenario, minutes=80)
    assert arrived[0] == ("in a minute", 60)
    assert arrived[1][0] == "in an hour"
    assert 3590 <= arrived[1][1] <= 3680


def test_a_message_that_the_destination_cannot_stomach_holds_nobody_up() -> None:
    async def scenario(world: Simulation) -> tuple[list[bytes], list[str], list[Change]]:
        arrived: list[bytes] = []
        failed: list[Change] = []

        async def send(message: Message) -> None:
            if message.body == b"poison":
                raise ValueError("cannot parse it")
            arrived.append(message.body)

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host) as outbox,
        ):
            outbox.on_failed(failed.append)
            id = await outbox.submit("x", b"poison", priority=9)
            for number in range(5):
                await outbox.submit("x", b"%d" % number)
            await asyncio.sleep(1)
            before = list(arrived)
            await outbox.outcome(id)
            letters = await outbox.dead_letters()
            tracked = await outbox.status(id)
            assert tracked is not None
            assert [change.attempts for change in tracked.history] == [*range(11), 10][:11] + [10]
            assert letters[0].message.body == b"poison"
            assert tracked.now.state is DeliveryState.FAILED
        return before, [letter.reason for letter in letters], failed

    before, reasons, failed = scene(scenario, minutes=30)
    assert before == [b"0", b"1", b"2", b"3", b"4"]
    assert reasons == ["ValueError: cannot parse it"]
    assert [change.attempts for change in failed] == [10]


def test_a_message_that_kills_the_process_is_a_dead_letter_in_the_end() -> None:
    async def scenario(world: Simulation) -> tuple[int, list[str]]:
        host = world.host("node")
        attempts = 0
        reasons: list[str] = []
        arrived: list[bytes] = []

        async def live() -> None:
            async def send(message: Message) -> None:
                nonlocal attempts
                await asyncio.sleep(0.1)
                if message.body == b"killer":
                    attempts += 1
                    host.kill()
                    await asyncio.Event().wait()
                arrived.append(message.body)

            async with (
                Database(host.folder / "a.db", MIGRATIONS) as database,
                Outbox(database, send, world=host, settings=OutboxSettings(workers=1)) as outbox,
            ):
                if not await outbox.status("k"):
                    await outbox.submit("x", b"killer", id="k", priority=5)
                    await outbox.submit("x", b"innocent", id="i")
                await outbox.outcome("i")
                reasons.extend([letter.reason for letter in await outbox.dead_letters()])

        host.spawn(live)
        for _ in range(12):
            await asyncio.sleep(5)
            if not reasons:
                host.restart()
        assert arrived == [b"innocent"]
        return attempts, reasons

    attempts, reasons = scene(scenario)
    assert attempts == 6, "once unknowingly, five times knowing of it"
    assert reasons == ["the process ended 5 times while it was being sent"]


def test_a_message_whose_time_is_over_is_not_sent_and_says_so() -> None:
    async def scenario(world: Simulation) -> tuple[list[bytes], list[Change], float]:
        arrived: list[bytes] = []
        expired: list[Change] = []

        async def send(message: Message) -> None:
            if world.now < 100:
                raise ConnectionRefusedError("away")
            arrived.append(message.body)

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host) as outbox,
        ):
            outbox.on_expired(expired.append)
            await outbox.submit("x", b"short", ttl=50, ordered=True)
            await outbox.submit("x", b"later", delay=90, ttl=95)
            id = await outbox.submit("x", b"long", ttl=500, ordered=True)
            await outbox.outcome(id)
            letters = await outbox.dead_letters()
            assert {letter.state for letter in letters} == {DeliveryState.EXPIRED}
            assert await outbox.resend(*(letter.message.id for letter in letters)) == 2
            await world.until(lambda: len(arrived) == 3, within=100, what="resent ones arrive")
            return arrived, expired, expired[0].at - expired[1].at

    arrived, expired, between = scene(scenario)
    assert arrived[0] == b"long"
    assert sorted(arrived[1:]) == [b"later", b"short"]
    assert len(expired) == 2
    assert round(between) == -45


def test_an_attempt_without_an_answer_ends_with_its_lease() -> None:
    async def scenario(world: Simulation) -> tuple[int, float]:
        attempts = 0

        async def send(message: Message) -> None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                await asyncio.Event().wait()

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host, settings=OutboxSettings(lease=5)) as outbox,
        ):
            await outbox.outcome(await outbox.submit("x", b"a"))
        return attempts, world.now

    attempts, took = scene(scenario)
    assert attempts == 2
    assert 5.4 < took < 6.2


def test_an_idle_outbox_sleeps() -> None:
    async def scenario(world: Simulation) -> int:
        async def send(message: Message) -> None:
            pass

        host = world.host("main")
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host) as outbox,
        ):
            await outbox.outcome(await outbox.submit("x", b"a"))
            await asyncio.sleep(10)
            before = world.loop.steps
            await asyncio.sleep(20 * 3600)
            return world.loop.steps - before

    assert scene(scenario, minutes=21 * 60) < 10


def test_what_was_delivered_is_forgotten_in_the_end() -> None:
    async def scenario(world: Simulation) -> None:
        async def send(message: Message) -> None:
            if message.body == b"bad":
                raise ValueError("bad")

        host = world.host("main")
        settings = OutboxSettings(delivered_max=50, dead_max=3, delivered_ttl=3600, max_attempts=1)
        async with (
            Database(host.folder / "a.db", MIGRATIONS) as database,
            Outbox(database, send, world=host, settings=settings) as outbox,
        ):
            ids = [await outbox.submit("x", b"%d" % number) for number in range(200)]
            bad = [await outbox.submit("x", b"bad") for _ in range(5)]
            await asyncio.sleep(60)
            kept = await database.fetch_one("SELECT count(*) FROM outbox_delivered")
            assert kept == (50,)
            assert await outbox.status(ids[0]) is None
            assert await outbox.status(ids[-1]) is not None
            assert [letter.message.id for letter in await outbox.dead_letters()] == bad[2:]
            await asyncio.sleep(3700)
            assert await database.fetch_one("SELECT count(*) FROM outbox_delivered") == (0,)
            assert await database.fetch_one(
                "SELECT count(DISTINCT number) FROM outbox_attempt"
            ) == (3,)

    scene(scenario, minutes=80)
