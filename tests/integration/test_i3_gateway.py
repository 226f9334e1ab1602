"""A gateway on real sockets, and routers that do everything that routers were seen to do to one."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.i3 import packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import GatewaySettings, GatewayState, RouterAddress, events
from tests.support.i3_network import (
    PASSWORD,
    WireRouter,
    after_trouble,
    each_connection_started_once,
    gateway_on,
    listed,
    ready,
    tasks_of_gateways,
    until,
)
from tests.support.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path


# --- ready means let in -------------------------------------------------------------------------


async def test_ready_means_that_the_router_answered_and_not_that_it_is_connected(
    tmp_path: Path,
) -> None:
    async with (
        WireRouter(manner="mute") as router,
        gateway_on(tmp_path, router.address) as (gateway, _),
    ):
        await until(lambda: router.got(packets.StartupReq3), "the startup came")
        assert gateway.state is GatewayState.STARTING
        assert not gateway.is_ready
        router.let_in()
        await ready(gateway)
        assert gateway.router == router.address


async def test_what_is_asked_while_the_password_is_being_kept_is_answered_after_it(
    tmp_path: Path,
) -> None:
    async with (
        WireRouter(manner="mute") as router,
        gateway_on(tmp_path, router.address) as (gateway, _),
    ):
        await until(lambda: router.got(packets.StartupReq3), "the startup came")
        router.let_in()
        router.say(packets.WhoReq(from_mud="Old Keep", from_user="bo", to_mud="Harbour"))
        await until(lambda: router.got(packets.WhoReply), "it is answered")
        assert gateway.is_ready


async def test_a_router_that_never_answers_is_given_up_and_the_next_one_tried(
    tmp_path: Path,
) -> None:
    async with (
        WireRouter("*mute", "mute") as mute,
        WireRouter() as hub,
        gateway_on(tmp_path, mute.address, hub.address, startup_timeout=0.3) as (gateway, _),
    ):
        await ready(gateway)
        assert gateway.router == hub.address
        each_connection_started_once(mute)


def test_by_default_a_dead_router_is_left_within_ninety_seconds() -> None:
    settings = GatewaySettings(mud_name="Harbour", routers=(RouterAddress("*hub", "h", 1),))
    assert settings.probe_interval + settings.probe_timeout <= 90
    assert settings.confirm_interval + settings.probe_timeout <= 90


# --- whatever happens to the connection ---------------------------------------------------------


async def test_a_router_that_is_away_at_the_start_is_found_when_it_comes(tmp_path: Path) -> None:
    router = WireRouter()
    router.port = free_port()
    async with gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await until(lambda: gateway.statistics()["state"] == "connecting", "it tries")
        with pytest.raises(I3Error) as refused:
            await gateway.locate("bo")
        assert refused.value.code == I3Code.ROUTER_AWAY
        assert refused.value.retry_after
        async with router:
            await after_trouble(router, gateway, heard)
    assert tasks_of_gateways() == []


async def test_when_the_first_router_refuses_the_second_takes_over(tmp_path: Path) -> None:
    dead = RouterAddress("*dead", "127.0.0.1", free_port())
    async with WireRouter() as hub, gateway_on(tmp_path, dead, hub.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await after_trouble(hub, gateway, heard)
        assert gateway.router == hub.address
    assert tasks_of_gateways() == []


@pytest.mark.parametrize("how", ["fin", "reset"])
async def test_a_router_that_ends_the_connection_is_found_again(tmp_path: Path, how: str) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await ready(gateway)
        getattr(router, how)()
        await heard.next(events.GatewayReconnected)
        await after_trouble(router, gateway, heard)
    assert tasks_of_gateways() == []


async def test_a_router_that_falls_silent_is_found_out_and_left(tmp_path: Path) -> None:
    async with (
        WireRouter("*hole") as hole,
        WireRouter() as hub,
        gateway_on(
            tmp_path, hole.address, hub.address, probe_interval=0.2, probe_timeout=0.4, startup_timeout=0.4
        ) as (gateway, heard),
    ):  # fmt: skip
        await gateway.channel_join("ale")
        await until(lambda: gateway.statistics()["returns_probes"], "it knows that probes return")
        hole.is_deaf, hole.manner = True, "mute"
        await until(lambda: gateway.router == hub.address, "it goes to the other router")
        await after_trouble(hole, gateway, heard, hub)
    assert tasks_of_gateways() == []


async def test_a_router_that_swallows_probes_and_says_other_things_is_not_left(
    tmp_path: Path,
) -> None:
    router = WireRouter()
    router.returns_probes = False
    async with (
        router,
        gateway_on(tmp_path, router.address, probe_interval=0.1, probe_timeout=0.1) as (gateway, _),
    ):
        await listed(gateway)
        while gateway.statistics()["returns_probes"] is None:
            router.say_value(["mudlist", 5, "*hub", 0, "Harbour", 0, 42, {}])
            await asyncio.sleep(0.01)
        assert gateway.statistics()["returns_probes"] is False
        probes = len(router.got(packets.AuthMudReq))
        await until(lambda: len(router.got(packets.AuthMudReq)) > probes + 2, "it goes on probing")
        assert router.accepted == 1


async def test_a_router_that_swallows_probes_in_silence_is_left_once_and_then_after_a_long_silence(
    tmp_path: Path,
) -> None:
    router = WireRouter()
    router.returns_probes = False
    async with (
        router,
        gateway_on(
            tmp_path, router.address, probe_interval=0.1, probe_timeout=0.1, silence_max=2.5
        ) as (gateway, heard),
    ):
        await heard.next(events.GatewayReconnected)
        await until(lambda: gateway.statistics()["returns_probes"] is False, "it learns that")
        probes = len(router.got(packets.AuthMudReq))
        await until(lambda: len(router.got(packets.AuthMudReq)) > probes, "it goes on probing")
        assert router.accepted == 2
        await heard.next(events.GatewayReconnected, 2)
    assert tasks_of_gateways() == []


async def test_a_name_that_is_not_known_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop: Any = asyncio.get_running_loop()
    resolve, tries = loop.getaddrinfo, 0

    async def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        nonlocal tries
        if host == "hub.example" and (tries := tries + 1) < 4:
            raise socket.gaierror(socket.EAI_NONAME, "name or service not known")
        return await resolve("127.0.0.1", *rest, **more)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with WireRouter() as router:
        named = RouterAddress("*hub", "hub.example", router.port)
        async with gateway_on(tmp_path, named) as (gateway, heard):
            await gateway.channel_join("ale")
            await after_trouble(router, gateway, heard)
    assert tries == 4
    assert tasks_of_gateways() == []


async def test_a_connect_that_hangs_is_given_up_for_the_next_router(tmp_path: Path) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (
            first,
            second,
        ):  # the queue is full: further packets are dropped, as by a dead host
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        hanging = RouterAddress("*far", "127.0.0.1", full.getsockname()[1])
        async with (
            WireRouter() as hub,
            gateway_on(
                tmp_path, hanging, hub.address, connect_timeout=0.3, startup_timeout=0.3
            ) as (
                gateway,
                heard,
            ),
        ):
            await gateway.channel_join("ale")
            await after_trouble(hub, gateway, heard)
    assert tasks_of_gateways() == []


@pytest.mark.parametrize("manner", ["refuse", "close", "reset"])
async def test_a_router_that_does_not_let_us_in_is_tried_again_and_its_password_kept(
    tmp_path: Path, manner: str
) -> None:
    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address) as (gateway, _):
            await ready(gateway)
        router.manner = manner
        async with gateway_on(tmp_path, router.address) as (gateway, heard):
            await gateway.channel_join("ale")
            await until(lambda: router.accepted >= 4, "it goes on trying")
            assert not gateway.is_ready
            router.manner = "reply"
            await after_trouble(router, gateway, heard)
        passwords = [each.password for each in router.got(packets.StartupReq3)]
        assert passwords == [0, *[PASSWORD] * (len(passwords) - 1)]
    assert tasks_of_gateways() == []


async def test_a_flapping_router_is_used_while_it_holds_and_never_given_up(tmp_path: Path) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        while router.accepted < 8:
            await until(lambda: gateway.is_ready and router.open == 1, "it comes back each time")
            router.reset()
            await until(lambda: not gateway.is_ready, "it is noticed")
        assert router.most_open == 1, "two connections at once"
        await after_trouble(router, gateway, heard)
    assert tasks_of_gateways() == []


async def test_a_shutdown_while_backing_off_is_over_at_once_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    dead = RouterAddress("*dead", "127.0.0.1", free_port())
    async with gateway_on(tmp_path, dead, retry_delay=600.0, attempt_interval=600.0) as (
        gateway,
        _,
    ):
        await until(lambda: "failed" in gateway.links()[0][2], "it has failed once")
    assert tasks_of_gateways() == []
    assert gateway.state is GatewayState.CONNECTING


async def test_reconnections_are_spread_by_jitter(tmp_path: Path) -> None:
    dead = RouterAddress("*dead", "127.0.0.1", free_port())
    loop = asyncio.get_running_loop()
    pauses: set[float] = set()
    async with gateway_on(tmp_path, dead, attempt_interval=0.0) as (gateway, _):
        last = None
        while len(pauses) < 4:
            machine = gateway._link.connection._machine
            if machine.next_at is not None and machine.next_at != last:
                last = machine.next_at
                pauses.add(round(last - loop.time(), 4))
            await asyncio.sleep(0.001)
    assert len(pauses) == 4


# --- what is taken up again ---------------------------------------------------------------------


async def test_after_a_reconnect_password_and_ids_are_sent_and_channels_listened_to(
    tmp_path: Path,
) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await listed(gateway)
        await until(lambda: router.got(packets.ChannelListen), "it listens")
        router.reset()
        await heard.next(events.GatewayReconnected)
        await until(lambda: len(router.got(packets.ChannelListen)) == 2, "it listens again")
        first, second = router.got(packets.StartupReq3)
        assert (first.password, first.mudlist_id, first.chanlist_id) == (0, 0, 0)
        assert (second.password, second.mudlist_id, second.chanlist_id) == (PASSWORD, 41, 9)
        assert heard.of(events.MudOnline) == [], "what was there before is no news"
        assert heard.of(events.MudOffline) == []


async def test_lists_of_another_router_begin_anew_and_what_it_does_not_know_is_dropped(
    tmp_path: Path,
) -> None:
    async with WireRouter("*one") as one, WireRouter("*two") as two:
        async with gateway_on(tmp_path, one.address) as (gateway, _):
            await listed(gateway)
            row = packets.write(_only_mud("Elsewhere"))
            one.say_value(row)
            await until(lambda: "Elsewhere" in gateway.muds, "a delta came")
        async with gateway_on(tmp_path, two.address, forget_muds_after=0.5) as (gateway, _):
            assert "Elsewhere" in gateway.muds, "the list is there before any router is"
            await until(lambda: "Elsewhere" not in gateway.muds, "it is forgotten in the end")
            assert "Old Keep" in gateway.muds
        assert two.got(packets.StartupReq3)[0].mudlist_id == 0
        assert two.got(packets.StartupReq3)[0].password == 0, "a password stays in its network"


def _only_mud(name: str) -> packets.Packet:
    row = packets.MudRow(
        state=-1, ip="192.0.2.9", player_port=1, oob_tcp_port=0, oob_udp_port=0, mudlib="", base_mudlib="",
        driver="", mud_type="", open_status="", email="", services={"tell": 1}, other=0,
    )  # fmt: skip
    return packets.Mudlist(from_mud="*one", to_mud="Harbour", id=42, muds={name: row})


async def test_a_router_that_names_another_one_first_is_left_for_it_but_not_for_ever(
    tmp_path: Path,
) -> None:
    async with WireRouter("*one") as one, WireRouter("*two") as two:
        places = {each.name: f"127.0.0.1 {each.port}" for each in (one, two)}
        one.rows = [["*two", places["*two"]], ["*one", places["*one"]]]
        two.rows = [["*one", places["*one"]], ["*two", places["*two"]]]
        async with gateway_on(tmp_path, one.address) as (gateway, _):
            await ready(gateway)
            moves = one.accepted + two.accepted
            assert 2 <= moves <= 6
        two.rows = None
        before = two.accepted
        async with gateway_on(tmp_path, one.address) as (gateway, _):
            await ready(gateway)
            assert gateway.router is not None
            assert gateway.router.name == "*two"
            assert two.accepted == before + 1


# --- messages while there is no router ----------------------------------------------------------


async def test_a_tell_while_the_router_is_away_waits_and_arrives_once(tmp_path: Path) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await listed(gateway)
        await router.die()
        await until(lambda: not gateway.is_ready, "it is noticed")
        sent = [await gateway.tell("old.keep", "Bo", f"{n}", from_user="ann") for n in range(5)]
        assert all(each.is_queued for each in sent)
        assert gateway.statistics()["queued"] == 5
        await router.listen()
        await until(lambda: len(router.got(packets.Tell)) >= 5, "they arrive")
        await until(lambda: gateway.statistics()["queued"] == 0, "none waits any more")
        assert [each.text for each in router.got(packets.Tell)] == ["0", "1", "2", "3", "4"]
        assert {each.to_mud for each in router.got(packets.Tell)} == {"Old Keep"}
        assert heard.of(events.ErrorOccurred) == []


async def test_a_tell_that_waits_survives_a_restart_of_the_gateway(tmp_path: Path) -> None:
    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address) as (gateway, _):
            await listed(gateway)
            await router.die()
            await until(lambda: not gateway.is_ready, "it is noticed")
            await gateway.tell("Old Keep", "bo", "later", from_user="ann")
        await router.listen()
        async with gateway_on(tmp_path, router.address) as (gateway, _):
            await until(lambda: router.got(packets.Tell), "it arrives")
            await until(lambda: gateway.statistics()["queued"] == 0, "it does not wait any more")
        assert [each.text for each in router.got(packets.Tell)] == ["later"]


async def test_a_tell_whose_time_is_over_is_reported_with_its_id(tmp_path: Path) -> None:
    async with (
        WireRouter() as router,
        gateway_on(tmp_path, router.address, ttl=0.3) as (gateway, heard),
    ):
        await listed(gateway)
        await router.die()
        await until(lambda: not gateway.is_ready, "it is noticed")
        sent = await gateway.tell("Old Keep", "bo", "too late", from_user="ann")
        error = await heard.next(events.ErrorOccurred)
        assert (error.error, error.message_id) == ("expired", sent.id)
        assert (error.to_user, error.target_mud, error.target_user) == ("ann", "Old Keep", "bo")
        await router.listen()
        await ready(gateway)
    assert router.got(packets.Tell) == []


async def test_when_too_many_wait_the_next_one_is_refused_with_a_time_to_try_again(
    tmp_path: Path,
) -> None:
    async with (
        WireRouter() as router,
        gateway_on(tmp_path, router.address, queued_max=2) as (gateway, _),
    ):
        await listed(gateway)
        await router.die()
        await until(lambda: not gateway.is_ready, "it is noticed")
        for _ in range(2):
            await gateway.tell("Old Keep", "bo", "waits")
        with pytest.raises(I3Error) as refused:
            await gateway.tell("Old Keep", "bo", "one too many")
        assert refused.value.code == I3Code.QUEUE_FULL
        assert refused.value.retry_after is not None


async def test_a_tell_that_was_not_confirmed_when_the_connection_broke_is_reported(
    tmp_path: Path,
) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await listed(gateway)
        router.is_deaf = True
        sent = [await gateway.tell("Old Keep", "bo", f"{n}", from_user="ann") for n in range(3)]
        assert not any(each.is_queued for each in sent)
        router.is_deaf = False
        router.reset()
        await heard.next(events.ErrorOccurred, 3)
        await heard.next(events.GatewayReconnected)
        found = [(each.error, each.message_id) for each in heard.of(events.ErrorOccurred)]
        assert found == [("unknown-fate", each.id) for each in sent]
        await until(lambda: gateway.is_ready, "it is back")
    assert router.got(packets.Tell) == [], "they are not sent a second time"


async def test_a_tell_that_a_probe_has_confirmed_is_not_reported(tmp_path: Path) -> None:
    async with (
        WireRouter() as router,
        gateway_on(tmp_path, router.address, confirm_interval=0.05) as (gateway, heard),
    ):
        await listed(gateway)
        await gateway.tell("Old Keep", "bo", "hello", from_user="ann")
        await until(lambda: gateway.statistics()["unconfirmed"] == 0, "a probe confirms it")
        router.reset()
        await heard.next(events.GatewayReconnected)
        assert heard.of(events.ErrorOccurred) == []


async def test_what_leaves_is_paced_and_tells_go_before_lines_on_channels(tmp_path: Path) -> None:
    async with (
        WireRouter() as router,
        gateway_on(tmp_path, router.address, pace_rate=20.0, pace_burst=1, pace_queue_max=4) as (
            gateway,
            heard,
        ),
    ):
        await gateway.channel_join("ale")
        await listed(gateway)
        waiting = [
            asyncio.ensure_future(gateway.channel_send("ale", f"line {n}", from_user="ann"))
            for n in range(3)
        ]
        await asyncio.sleep(0)
        waiting.append(
            asyncio.ensure_future(gateway.tell("Old Keep", "bo", "tell", from_user="ann"))
        )
        await asyncio.sleep(0)
        with pytest.raises(I3Error) as refused:
            for _ in range(3):
                await asyncio.wait_for(gateway.tell("Old Keep", "bo", "more"), 0.001)
        assert refused.value.code == I3Code.QUEUE_FULL
        assert refused.value.retry_after
        await asyncio.gather(*waiting)
        await until(lambda: len(router.got(packets.ChannelMessage)) == 3, "all left")
        order = [
            each
            for each in router.heard[-1]
            if isinstance(each, packets.Tell | packets.ChannelMessage)
        ]
        assert isinstance(
            order[0] if isinstance(order[0], packets.Tell) else order[1], packets.Tell
        )
        assert heard.of(events.RateLimitWarning)


async def test_a_tell_whose_turn_had_not_come_when_the_connection_broke_waits_for_the_next_one(
    tmp_path: Path,
) -> None:
    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address) as (gateway, _):
            await listed(gateway)
        async with gateway_on(tmp_path, router.address, pace_rate=0.2, pace_burst=1) as (
            gateway,
            heard,
        ):
            await ready(gateway)
            waiting = asyncio.ensure_future(
                gateway.tell("Old Keep", "bo", "patience", from_user="ann")
            )
            await until(lambda: gateway.statistics()["paced"], "it waits for its turn")
            await router.die()
            sent = await asyncio.wait_for(waiting, 20)
            assert sent.is_queued
            await router.listen()
            await until(lambda: router.got(packets.Tell), "it arrives")
            assert heard.of(events.ErrorOccurred) == []
        assert [each.text for each in router.got(packets.Tell)] == ["patience"]


async def test_somebody_may_ask_for_a_new_connection_and_there_is_one(tmp_path: Path) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await gateway.channel_join("ale")
        await listed(gateway)
        for _ in range(3):
            gateway.reconnect()
        await heard.next(events.GatewayReconnected)
        await after_trouble(router, gateway, heard)
        assert router.most_open <= 2
    assert tasks_of_gateways() == []


async def test_at_the_end_the_router_is_told_when_we_are_back(tmp_path: Path) -> None:
    async with WireRouter() as router:
        async with gateway_on(tmp_path, router.address, restart_delay=60) as (gateway, heard):
            await ready(gateway)
        await until(lambda: router.got(packets.Shutdown), "the router is told")
        assert [each.restart_delay for each in router.got(packets.Shutdown)] == [60]
        warning = heard.of(events.ShutdownWarning)
        assert [(each.source, each.returns_in) for each in warning] == [("Harbour", 60)]
