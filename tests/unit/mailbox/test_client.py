"""What a client does with its connections when nobody waits for them, on a simulated network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from holdfast.mailbox import MailboxClient
from holdfast.testing import Simulation, simulate
from tests.simulation.test_mailbox import KEY, SETTINGS, TOKEN, address, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.testing import Host


def writing(client: MailboxClient) -> list[str]:
    """Where the connections stand over which it writes."""
    figures = cast("list[Mapping[str, object]]", client.statistics()["writing"])
    return [str(each["state"]) for each in figures]


async def called_off(client: MailboxClient, after: float) -> None:
    """A deposit that another gateway has taken meanwhile."""
    deposit = asyncio.create_task(client.deposit(KEY.mailbox, TOKEN, b"i" * 16, b"x" * 700))
    await asyncio.sleep(after)
    deposit.cancel()
    await asyncio.wait({deposit})


@simulate(seeds=3, minutes=5)
async def test_a_deposit_that_is_called_off_leaves_nobody_trying(world: Simulation) -> None:
    gate, writer = world.host("gate", "lan"), world.host("writer", "lan")
    gate.spawn(serve, gate)
    gate.kill()

    async def write(host: Host) -> None:
        async with MailboxClient(address("gate"), settings=SETTINGS, world=host) as client:
            for after in (0.01, 0.3, 1.0):
                await called_off(client, after)
                await asyncio.sleep(SETTINGS.connection.connect_timeout + 1)
                assert writing(client) == ["disconnected"], "a pause would grow for nobody"

    await writer.run(write, writer)


@simulate(seeds=3, minutes=5)
async def test_who_takes_long_to_connect_is_there_for_the_next_one(world: Simulation) -> None:
    gate, writer = world.host("gate", "lan"), world.host("writer", "lan")
    gate.spawn(serve, gate)
    await asyncio.sleep(0.1)
    world.network.clog("gate", "writer", 2000)

    async def write(host: Host) -> None:
        async with MailboxClient(address("gate"), settings=SETTINGS, world=host) as client:
            await called_off(client, 0.1)
            assert writing(client) == ["connecting"], "an attempt is under way"
            await asyncio.sleep(SETTINGS.connection.connect_timeout)
            assert writing(client) == ["connected"]

    await writer.run(write, writer)
