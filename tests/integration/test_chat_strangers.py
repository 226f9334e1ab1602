"""Strangers before a gateway: many, slow, deaf, and such that would have it do their work. Real sockets, real TLS."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import limits
from holdfast.connection import ConnectionState
from holdfast.errors import ErrorCode, NetworkError
from holdfast.mailbox import Direct, GatewaySettings, MailboxClient, TwoHop
from holdfast.mailbox import gateway as gateway_module
from holdfast.mailbox._standing import Standing
from holdfast.mailbox.wire import Done, Pipe, Refused
from tests.support.lying_gateway import LiarHere
from tests.support.nodes import GatewayHere, World, befriend, until
from tests.support.stranger import TOKEN, connected, deposit, key_of, piped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from holdfast.mailbox import GatewayPath
    from tests.support.stranger import Stranger

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def gateways(folder: Path, *hosts: str, **allowed: float) -> AsyncIterator[list[GatewayHere]]:
    """Gateways on addresses of this machine, each of which pipes to all others."""
    made = [GatewayHere(folder / f"g{n}", host) for n, host in enumerate(hosts)]
    async with AsyncExitStack() as stack:
        for gateway in made:  # once, to have a port
            await gateway.start()
            await gateway.stop()
        for gateway in made:
            gateway.allows = GatewaySettings(**allowed)  # type: ignore[arg-type]
            gateway.pipes = [other.address for other in made if other is not gateway]
            await gateway.start()
            stack.push_async_callback(gateway.stop)
        yield made


class Honest:
    """Somebody who keeps to the rules."""

    def __init__(self, gateway: GatewayHere, path: GatewayPath | None = None) -> None:
        self.came: list[bytes] = []
        self.client = MailboxClient(
            gateway.address, path or Direct(), on_envelope=lambda *given: self.came.append(given[2])
        )

    async def talks(self, number: int, body: bytes = b"hello") -> None:
        """Make a mailbox, put something in, and read it."""
        async with self.client as client:
            await client.create(key_of(number), TOKEN)
            await client.subscribe(key_of(number))
            await client.deposit(key_of(number).mailbox, TOKEN, bytes(16), body, ttl=3600)
            await until(lambda: self.came == [body])


async def test_many_who_come_from_one_place_have_its_share_and_no_more(tmp_path: Path) -> None:
    """Threat model P11: connections from one address end at its bound, and who comes from elsewhere is served."""
    async with gateways(tmp_path, "127.0.1.1", "127.0.1.2", per_address_max=8) as (one, other):
        crowd = [await connected(one.address) for _ in range(8)]
        with pytest.raises(OSError):  # noqa: PT011 - as the system puts it
            await connected(one.address)
        several = [await connected(one.address, source=f"127.0.2.{n}") for n in range(1, 9)]
        await Honest(one, TwoHop(other.address)).talks(1)
        assert one.gateway.statistics().refused >= 1
        for each in (*crowd, *several):
            each.transport.abort()


async def test_mailboxes_from_one_place_have_a_rate_and_others_get_theirs(tmp_path: Path) -> None:
    """Threat model P11: mailboxes without end are refused with a time, over all connections of one address together."""
    allowed = {"create_burst": 20, "create_rate": 0.001}
    async with gateways(tmp_path, "127.0.1.1", "127.0.1.2", **allowed) as (one, other):
        made = refused = 0
        for number in range(5):
            stranger = await connected(one.address)
            nonce = await stranger.greeted()
            for each in range(10):
                answer = await stranger.creates(key_of(100 + 10 * number + each), nonce)
                if isinstance(answer, Done):
                    made += 1
                else:
                    assert isinstance(answer, Refused)
                    assert answer.code == ErrorCode.RATE_LIMIT_EXCEEDED
                    assert answer.retry_ms > 0
                    refused += 1
            stranger.transport.abort()
        assert (made, refused) == (20, 30)
        await Honest(one, TwoHop(other.address)).talks(1)


async def test_a_flood_of_deposits_over_many_connections_has_the_rate_of_its_mailbox(
    tmp_path: Path,
) -> None:
    """Threat model P11: more connections put no more into one mailbox, and nothing of it is kept unsaid."""
    allowed = {"deposit_burst": 30, "deposit_rate": 0.001}
    async with gateways(tmp_path, "127.0.1.1", **allowed) as (one,):
        owner = await connected(one.address)
        assert isinstance(await owner.creates(key_of(1), await owner.greeted()), Done)

        async def flood(source: str, first: int) -> int:
            stranger = await connected(one.address, source=source)
            for number in range(first, first + 20):
                stranger.say(deposit(key_of(1), number))
            answers = [await stranger.answer() for _ in range(20)]
            stranger.transport.abort()
            return sum(isinstance(answer, Done) for answer in answers)

        kept = await asyncio.gather(*(flood(f"127.0.3.{n}", 100 * n) for n in range(1, 6)))
        assert sum(kept) == 30 == one.gateway.statistics().envelopes
        await Honest(one).talks(2)
        owner.transport.abort()


async def test_who_sends_byte_by_byte_is_cut_and_nobody_waits_for_him(tmp_path: Path) -> None:
    """Threat model P12: whoever never ends what he says is cut when he should have said it."""
    async with gateways(tmp_path, "127.0.1.1", proof_timeout=3.0) as (one,):
        slow = [await connected(one.address) for _ in range(20)]

        async def drip(stranger: Stranger) -> None:
            said = 0
            while not stranger.gone.is_set():
                stranger.transport.write(b"\0\1\0\0"[said : said + 1] or b"x")
                said += 1
                await asyncio.sleep(0.05)  # that is the attack

        dripping = [asyncio.create_task(drip(each)) for each in slow]
        await Honest(one).talks(1)
        async with asyncio.timeout(20):
            await asyncio.gather(*dripping)
        await until(lambda: not one.gateway.statistics().connections)


async def test_who_does_not_read_is_cut_and_what_is_his_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P12: a reader that reads nothing costs a bounded queue, is cut, and finds all when he comes again."""
    monkeypatch.setattr(gateway_module, "READ_PATIENCE", 0.5)
    body, count = bytes(60_000), 60
    async with gateways(tmp_path, "127.0.1.1") as (one,):
        deaf = await connected(one.address)
        deaf.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
        )
        nonce = await deaf.greeted()
        writer = await connected(one.address)
        for box in (1, 2, 3):
            await deaf.creates(key_of(box), nonce)
            for number in range(count):
                assert isinstance(await writer.asks(deposit(key_of(box), number, body)), Done)
        deaf.transport.pause_reading()
        for box in (1, 2, 3):
            deaf.say(deaf.subscription(key_of(box), nonce))
        worst = 0

        def is_cut() -> bool:
            nonlocal worst
            worst = max([worst, *(peer.queued for peer in one.gateway._listener.peers)])
            return one.gateway.statistics().connections == 1

        await until(is_cut)
        assert 0 < worst < gateway_module._QUEUE
        await Honest(one).talks(4)
        again = Honest(one)
        async with again.client as client:
            for box in (1, 2, 3):
                await client.subscribe(key_of(box))
            await until(lambda: len(again.came) == 3 * count)
        deaf.transport.abort()
        writer.transport.abort()


async def test_a_gateway_does_not_pipe_for_a_gateway_nor_to_itself(tmp_path: Path) -> None:
    """Threat model P7: a pipe that would go on, back or round is refused, by each gateway on the way."""
    async with gateways(tmp_path, "127.0.1.1", "127.0.1.2", "127.0.1.3") as (one, two, three):
        for target in (one, three, two):
            stranger = await piped(one.address, two.address)
            answer = await stranger.asks(Pipe(1, target.pin))
            assert isinstance(answer, Refused)
            assert answer.code == ErrorCode.PIPE_REFUSED
            await stranger.is_cut()
        itself = await connected(one.address)
        answer = await itself.asks(Pipe(1, one.pin))
        assert isinstance(answer, Refused)
        assert answer.code == ErrorCode.PIPE_REFUSED
        await until(lambda: not any(each.gateway.statistics().pipes for each in (one, two, three)))
        await Honest(two, TwoHop(one.address)).talks(1)


async def test_a_gateway_that_pipes_nobody_for_weeks_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P4: who is told to come again for a pipe in weeks lets another gateway pipe."""
    monkeypatch.setattr(limits, "PIPE_RETRY_MAX", 0.1)
    liars = [LiarHere(tmp_path / f"g{number}") for number in range(3)]
    async with World(tmp_path, liars) as world:
        ada = await world.person("ada", mode="two_hop", places=3)
        bob = await world.person("bob", mode="two_hop", places=3)
        way = ada.node._gates.path(liars[0].address, 0)
        assert isinstance(way, TwoHop)
        (piping,) = (each for each in liars if each.pin == way.piping.pin)
        piping.liar.refuses = (Pipe,)
        await befriend(ada, bob)
        await ada.node.send(ada.contact("bob"), "past it")
        await until(lambda: bob.texts() == ["past it"])
        await until(lambda: not ada.node.queue().waiting)
        await until(lambda: piping.liar.refused)
        gates = ada.node._gates._gates.values()
        await until(lambda: all(each.client.state is ConnectionState.CONNECTED for each in gates))


async def test_a_false_gateway_behind_a_pipe_is_named_and_the_true_one_is_reached_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P6: a gateway that pipes to somebody with another key is found out in the handshake within its own."""

    async def believed(_: Standing) -> None:
        """A gateway that lies does not ask whom it pipes to."""

    monkeypatch.setattr(Standing, "known", believed)
    one, true, false = (GatewayHere(tmp_path / name) for name in ("one", "true", "false"))
    await true.start()
    one.pipes, false.port = [true.address], true.port
    await one.start()
    honest = Honest(true, TwoHop(one.address))
    await true.stop()
    await false.start()
    told: list[str] = []
    honest.client.on_change(lambda change: told.append(change.message))
    with pytest.raises(NetworkError):
        await honest.client.create(key_of(1), TOKEN, within=2.0)
    assert any(message.startswith("The gateway shows another key") for message in told), told
    assert honest.client.state is ConnectionState.CONNECTING, "it is not given up"
    await false.stop()
    await true.start()
    await honest.talks(1)
    await true.stop()
    await one.stop()


async def test_gateways_with_one_way_lists_are_no_ring_either(tmp_path: Path) -> None:
    """Threat model P7: a gateway refuses to be a link of a chain also when who pipes to it is not on its own list."""
    hosts = ("127.0.1.1", "127.0.1.2", "127.0.1.3")
    async with gateways(tmp_path, *hosts) as ring:
        one, two, three = ring
        for gateway, after in ((one, two), (two, three), (three, one)):
            await gateway.stop()
            gateway.pipes = [after.address]
            await gateway.start()
        for _ in range(2):
            stranger = await piped(one.address, two.address)
            answer = await stranger.asks(Pipe(1, three.pin))
            assert isinstance(answer, Refused)
            assert answer.code == ErrorCode.PIPE_REFUSED
            await Honest(two, TwoHop(one.address)).talks(1)
            await Honest(three, TwoHop(two.address)).talks(2)
            await two.stop()  # it forgets who told it that he pipes to it
            await two.start()
        await until(lambda: not any(each.gateway.statistics().connections for each in ring))


async def test_who_speaks_before_his_pipe_is_there_loses_it(tmp_path: Path) -> None:
    """Threat model P7: nothing that is said before the answer is passed on to anybody."""
    async with gateways(tmp_path, "127.0.1.1", "127.0.1.2") as (one, two):
        hasty = await connected(one.address)
        hasty.say(Pipe(1, two.pin))
        hasty.say(Pipe(2, two.pin))
        await hasty.is_cut()
        await until(lambda: not one.gateway.statistics().pipes)
        await Honest(two, TwoHop(one.address)).talks(1)


async def test_a_gateway_that_dies_between_its_commit_and_its_answer_has_the_envelope_once(
    tmp_path: Path,
) -> None:
    """Threat model P8: killed before it could say "kept", a gateway has it, and takes the repetition as the same one."""
    here = GatewayHere(tmp_path / "g")
    await here.start()
    came: list[bytes] = []
    async with MailboxClient(here.address, on_envelope=lambda *given: came.append(given[2])) as me:
        await me.create(key_of(1), TOKEN)
        await here.stop()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.dying_gateway", str(here.folder), str(here.port),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(30):
                assert await process.stdout.readline() == b"ready\n"
            with pytest.raises(NetworkError):
                await me.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"at the edge", ttl=3600)
            async with asyncio.timeout(30):
                assert await process.wait() == -9
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await here.start()
        assert here.gateway.statistics().envelopes == 1
        await me.deposit(key_of(1).mailbox, TOKEN, b"e" * 16, b"at the edge", ttl=3600)
        assert here.gateway.statistics().counts["repeated"] == 1
        await me.subscribe(key_of(1))
        await me.deposit(key_of(1).mailbox, TOKEN, b"f" * 16, b"afterwards", ttl=3600)
        await until(lambda: came == [b"at the edge", b"afterwards"])
    await here.stop()
