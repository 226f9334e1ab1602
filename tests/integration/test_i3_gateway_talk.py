"""Two muds on a router of ours, on real sockets: what they say to each other, and what others say of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.i3 import packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import Player, RouterAddress, events
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.apps.i3.router import MIGRATIONS as ROUTER_MIGRATIONS
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.errors import CircuitBreakerOpenError
from holdfast.storage import Database, Durability
from tests.support.i3_network import (
    WireRouter,
    after_trouble,
    gateway_on,
    listed,
    ready,
    until,
)
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.apps.i3.gateway import Gateway
    from tests.support.i3_network import Heard

# --- two muds and a router of ours --------------------------------------------------------------


@asynccontextmanager
async def hub(folder: Path, port: int = 0, name: str = "*hub") -> AsyncIterator[Router]:
    """A router of ours with its file in a folder."""
    async with (
        Database(
            folder / name / "router.db",
            {"i3_router": ROUTER_MIGRATIONS},
            durability=Durability.PROCESS_DEATH,
        ) as database,
        Router(
            database, RouterSettings(name=name, port=port, list_delay=0.01, down_after=0.1)
        ) as router,
    ):
        yield router


def at(router: Router) -> RouterAddress:
    return RouterAddress(router.name, "127.0.0.1", router.port)


@asynccontextmanager
async def two_muds(
    folder: Path, **more: Any
) -> AsyncIterator[tuple[Router, Gateway, Heard, Gateway, Heard]]:
    """Harbour and Old Keep on one router, each knows the other."""
    async with (
        hub(folder) as router,
        gateway_on(folder, at(router), **more) as (harbour, harbour_heard),
        gateway_on(folder, at(router), name="Old Keep", **more) as (keep, keep_heard),
    ):
        await until(
            lambda: "Old Keep" in harbour.muds and "Harbour" in keep.muds, "they know each other"
        )
        yield router, harbour, harbour_heard, keep, keep_heard


async def test_a_tell_a_gesture_and_a_beep_reach_their_player(tmp_path: Path) -> None:
    async with two_muds(tmp_path) as (_, harbour, _, _, heard):
        await harbour.tell("old keep", "BO", 'say "hi"\nto all', from_user="ann", visname="Ann")
        await harbour.emoteto("Old Keep", "bo", "$N waves", from_user="ann", visname="Ann")
        await harbour.beep("Old Keep", "bo", from_user="ann", visname="Ann")
        told = await heard.next(events.TellReceived)
        done = await heard.next(events.EmotetoReceived)
        await heard.next(events.BeepReceived)
        assert (told.from_mud, told.from_user, told.to_user) == ("Harbour", "ann", "bo")
        assert (told.visname, told.message) == ("Ann", 'say "hi"\nto all')
        assert done.message == "Ann@Harbour waves"


async def test_a_channel_is_made_joined_and_spoken_on_and_each_line_shown_once(
    tmp_path: Path,
) -> None:
    async with two_muds(tmp_path) as (_, harbour, at_harbour, keep, at_keep):
        await harbour.channel_add("ale")
        await until(lambda: "ale" in harbour.channels and "ale" in keep.channels, "both know it")
        for gateway in (harbour, keep):
            await gateway.channel_join("ale")
        await harbour.channel_send("ale", "one", from_user="ann", visname="Ann")
        await at_keep.next(events.ChannelMessage)
        await keep.channel_emote("ale", "nods", from_user="bo", visname="Bo")
        await keep.channel_emote_to(
            "ale", "Harbour", "ann", "$N waves to $O", target_text="$N waves to you",
            from_user="bo", visname="Bo",
        )  # fmt: skip
        await keep.channel_send("ale", "two", from_user="bo", visname="Bo")
        await at_harbour.next(events.ChannelMessage, 2)
        for heard in (at_harbour, at_keep):
            assert [each.message for each in heard.of(events.ChannelMessage)] == ["one", "two"]
            assert [each.message for each in heard.of(events.ChannelEmote)] == [
                "Bo@Old Keep nods",
                "Bo@Old Keep waves to ann@Harbour",
            ]
        lines = await harbour.history("ale")
        assert [each.message for each in lines] == [
            "one", "Bo@Old Keep nods", "Bo@Old Keep waves to ann@Harbour", "two",
        ]  # fmt: skip
        assert [each.message for each in await harbour.history("ale", 1, before=lines[-1].id)] == [
            lines[-2].message
        ]
        assert [each.message for each in await harbour.history("ale", after=lines[1].id)] == [
            lines[2].message,
            "two",
        ]
        assert await harbour.channel_who("ale") == ["Bo@Old Keep"]


async def test_history_is_there_after_a_restart_and_bounded(tmp_path: Path) -> None:
    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address, history_lines=3) as (gateway, _):
            await listed(gateway)
            await gateway.channel_join("ale")
            for number in range(6):
                await gateway.channel_send("ale", f"{number}", from_user="ann")
        async with gateway_on(tmp_path, router.address, history_lines=3) as (gateway, heard):
            assert [each.message for each in await gateway.history("ale")] == ["3", "4", "5"]
            await listed(gateway)
            await gateway.channel_send("ale", "6", from_user="ann")
            lines = await gateway.history("ale")
            assert [each.message for each in lines] == ["4", "5", "6"]
            assert heard.of(events.ChannelMessage)[0].line_id == lines[-1].id
            assert [each.id for each in lines] == sorted(each.id for each in lines)


async def test_a_channel_that_is_only_listened_to_cannot_be_spoken_on(tmp_path: Path) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, _):
        await listed(gateway)
        with pytest.raises(I3Error) as unknown:
            await gateway.channel_join("no such channel")
        assert unknown.value.code == I3Code.CHANNEL_UNKNOWN
        for join in (None, True):
            if join is not None:
                await gateway.channel_join("ale", listen_only=join)
            with pytest.raises(I3Error) as refused:
                await gateway.channel_send("ale", "hello")
            assert refused.value.code == I3Code.NOT_SUBSCRIBED
        await gateway.channel_leave("ale")
        await until(lambda: len(router.got(packets.ChannelListen)) == 2, "the router is told")
        assert [each.is_on for each in router.got(packets.ChannelListen)] == [1, 0]


async def test_who_finger_and_locate_are_answered_from_who_is_here(tmp_path: Path) -> None:
    async with two_muds(tmp_path) as (_, harbour, heard, keep, _):
        keep.presence([Player(name="Bo", title="the bold", level=7, idle=12, status="editing")])
        await harbour.who("old.keep", from_user="ann")
        await harbour.finger("Old Keep", "BO", from_user="ann")
        await harbour.locate("bo", from_user="ann")
        who = await heard.next(events.WhoReply)
        finger = await heard.next(events.FingerReply)
        located = await heard.next(events.LocateReply)
        assert [(row.name, row.idle, row.extra) for row in who.users] == [("Bo", 12, "the bold")]
        assert (finger.visname, finger.title, finger.level) == ("Bo", "the bold", "7")
        assert (located.located_mud, located.located_user, located.status) == (
            "Old Keep",
            "Bo",
            "editing",
        )
        await harbour.finger("Old Keep", "cy", from_user="ann")
        error = await heard.next(events.ErrorOccurred)
        assert (error.error, error.from_mud, error.to_user) == ("unk-user", "Old Keep", "ann")


async def test_a_tell_to_somebody_who_is_not_there_comes_back_with_its_id(tmp_path: Path) -> None:
    async with two_muds(tmp_path) as (_, harbour, heard, keep, at_keep):
        keep.presence([Player(name="Bo")])
        sent = await harbour.tell("Old Keep", "cy", "hello?", from_user="ann")
        error = await heard.next(events.ErrorOccurred)
        assert (error.error, error.message_id, error.target_user) == ("unk-user", sent.id, "cy")
        assert at_keep.of(events.TellReceived) == []


async def test_a_mud_that_is_unknown_down_or_without_the_service_is_refused_at_once(
    tmp_path: Path,
) -> None:
    async with two_muds(tmp_path, services={"tell": 1, "channel": 1}) as (
        _,
        harbour,
        heard,
        keep,
        _,
    ):
        with pytest.raises(I3Error) as unknown:
            await harbour.tell("Nowhere", "bo", "hello")
        assert unknown.value.code == I3Code.MUD_UNKNOWN
        with pytest.raises(I3Error) as missing:
            await harbour.who("Old Keep")
        assert missing.value.code == I3Code.SERVICE_MISSING
        await keep._link.stop()
        await heard.next(events.MudOffline)
        with pytest.raises(I3Error) as down:
            await harbour.tell("Old Keep", "bo", "hello")
        assert down.value.code == I3Code.MUD_DOWN


async def test_a_mud_that_never_answers_is_left_in_peace_after_a_while(tmp_path: Path) -> None:
    async with (
        WireRouter() as router,
        gateway_on(tmp_path, router.address, request_timeout=0.05) as (
            gateway,
            heard,
        ),
    ):
        await listed(gateway)
        for number in range(5):
            await gateway.who("Old Keep", from_user="ann")
            error = await heard.next(events.ErrorOccurred, number + 1)
            assert (error.error, error.to_user, error.target_mud) == (
                "no-answer",
                "ann",
                "Old Keep",
            )
        with pytest.raises(CircuitBreakerOpenError):
            await gateway.who("Old Keep", from_user="ann")
        assert len(router.got(packets.WhoReq)) == 5
        await gateway.tell("Old Keep", "bo", "tells have no answer and go on")
        await until(lambda: router.got(packets.Tell), "it is sent")


async def test_a_router_that_restarts_knows_its_muds_again_and_no_event_comes_twice(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with hub(tmp_path, port) as router:
        address = at(router)
        async with (
            gateway_on(tmp_path, address) as (harbour, at_harbour),
            gateway_on(tmp_path, address, name="Old Keep") as (keep, at_keep),
        ):
            await until(
                lambda: "Old Keep" in harbour.muds and "Harbour" in keep.muds, "both are there"
            )
            await harbour.channel_add("ale")
            await until(lambda: "ale" in keep.channels, "the channel is there")
            for gateway in (harbour, keep):
                await gateway.channel_join("ale")
            await router.__aexit__(None, None, None)
            await until(lambda: not harbour.is_ready and not keep.is_ready, "both notice")
            warned = at_harbour.of(events.ShutdownWarning)
            assert [each.source for each in warned] == ["*hub"]
            sent = await harbour.tell("Old Keep", "bo", "while you were away", from_user="ann")
            assert sent.is_queued
            await router.__aenter__()
            assert router.port == port
            await at_harbour.next(events.GatewayReconnected)
            await at_keep.next(events.GatewayReconnected)
            await until(lambda: router.up == {"Harbour", "Old Keep"}, "both are back")
            await at_keep.next(events.TellReceived)
            await until(lambda: harbour.statistics()["queued"] == 0, "nothing waits")
            await harbour.channel_send("ale", "hello", from_user="ann")
            await at_keep.next(events.ChannelMessage)
            await keep.channel_send("ale", "hello", from_user="bo")
            await at_harbour.next(events.ChannelMessage, 2)
            assert len(at_keep.of(events.TellReceived)) == 1
            assert [each.from_mud for each in at_keep.of(events.ChannelMessage)] == [
                "Harbour",
                "Old Keep",
            ]


# --- garbage, other people's words --------------------------------------------------------------


async def test_garbage_from_a_router_is_counted_and_costs_nothing_else(tmp_path: Path) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await listed(gateway)
        for body in (
            b"\x00",
            b"({",
            b'({"tell",5,"Old Keep","bo","Harbour","ann","Bo","he said "no"",})',
        ):
            router._writers[-1].write(len(body).to_bytes(4, "big") + body)
        router.say_value(["tell", 5, "Old Keep", "bo", "Harbour", "ann", "Bo"])
        router.say_value(["mudlist", 5, "*hub", 0, "Harbour", 0, "x", "y"])
        router.say_value([1, 2, 3])
        router.say_value({"a": 1})
        router.say_value(
            ["startup-reply", 5, "Old Keep", 0, "Harbour", 0, [["*evil", "192.0.2.9 1"]], 1]
        )
        router.say_value(["tell", 5, "Old Keep", "bo", "Harbour", "ann", "Bo", "\x1b[31mred\x07"])
        told = await heard.next(events.TellReceived)
        assert told.message == "red"
        assert router.accepted == 1
        assert [each[0] for each in gateway.links()] == ["*hub"]
        found = gateway.statistics()["bad_packets"]
        assert isinstance(found, int)
        assert found >= 5
        await until(lambda: router.got(packets.ErrorPacket), "what was for us alone is answered")
        errors = router.got(packets.ErrorPacket)
        assert [each.code for each in errors] == ["bad-pkt"], (
            "only what names its sender is answered"
        )


async def test_a_length_that_cannot_be_ends_the_connection_and_not_the_gateway(
    tmp_path: Path,
) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await ready(gateway)
        router._writers[-1].write(b"\x7f\xff\xff\xff({")
        await heard.next(events.GatewayReconnected)
        await after_trouble(router, gateway, heard)


# --- the name and its password ------------------------------------------------------------------


async def started_up(router: Router, password: int, here: str = "127.0.0.1") -> tuple[str, int]:
    """Start up as Old Keep by hand, and be gone; return what was answered, and the password that was given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port, local_addr=(here, 0))
    startup = ["startup-req-3", 5, "Old Keep", 0, "*hub", 0, password, 0, 0, 0, 0, 0]
    startup += ["", "", "", "", "", "", {"tell": 1}, 0]
    writer.write(Mudmode(2**16).encode(packet(startup)))
    size = int.from_bytes(await reader.readexactly(4), "big")
    answer = packets.read(packets_of(await reader.readexactly(size)).values[0])
    writer.close()
    await writer.wait_closed()
    given = answer.password if isinstance(answer, packets.StartupReply) else 0
    return str(packets.write(answer)[0]), given


async def test_a_mud_whose_first_password_was_lost_on_the_way_can_begin_again_and_nobody_else(
    tmp_path: Path,
) -> None:
    async with hub(tmp_path) as router:
        kind, lost = await started_up(router, 0)
        assert kind == "startup-reply"
        assert await started_up(router, 0, here="127.0.0.2") == ("error", 0)
        kind, second = await started_up(router, 0)
        assert kind == "startup-reply"
        assert second not in {0, lost}
        async with gateway_on(tmp_path, at(router), name="Old Keep") as (keep, _):
            await ready(keep)
            await until(lambda: router.statistics()["relayed"], "it has said something")
        assert await started_up(router, 0) == ("error", 0), "from now on only with the password"
