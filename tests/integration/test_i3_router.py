"""A router on real sockets: what muds see of it, what it keeps through ``kill -9``, and how its operator runs it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.lpc import encode
from holdfast.apps.i3.router import MIGRATIONS, Router, RouterSettings
from holdfast.cli.i3 import program
from holdfast.errors import NetworkError
from holdfast.storage import Database, Durability
from tests.support.i3_network import until
from tests.support.i3_peers import Peer, running
from tests.unit.apps.i3.router.muds import startup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HUB = "*hub"


@pytest.fixture(autouse=True)
async def no_peer_is_left() -> AsyncIterator[None]:
    yield
    await Peer.close_all()


@asynccontextmanager
async def router_in(folder: Path, **settings: Any) -> AsyncIterator[Router]:
    async with (
        Database(folder / "router.db", {"i3_router": MIGRATIONS}, durability=Durability.PROCESS_DEATH) as database,
        Router(database, RouterSettings(name=HUB, port=0, **settings)) as router,
    ):  # fmt: skip
        yield router


async def mud(port: int, name: str, password: int = 0, **more: Any) -> tuple[Peer, int]:
    """A mud that has started up, and its password."""
    peer = await Peer.connect(port)
    peer.say(startup(name, password, **more))
    reply = await peer.hear(lambda each: isinstance(each, p.StartupReply))
    assert isinstance(reply, p.StartupReply)
    return peer, reply.password


def a_tell(text: str) -> p.Tell:
    return p.Tell(from_mud="Harbour", from_user="ann", to_mud="Old Keep", to_user="bo", visname="Ann", text=text)  # fmt: skip


async def heard(peer: Peer, kind: type[p.Packet]) -> Any:
    return await peer.hear(lambda each: isinstance(each, kind))


async def fault(peer: Peer) -> str:
    return str((await heard(peer, p.ErrorPacket)).code)


async def test_muds_talk_to_each_other_in_order(tmp_path: Path) -> None:
    async with router_in(tmp_path) as router:
        (ann, _), (bo, _) = await mud(router.port, "Harbour"), await mud(router.port, "Old Keep")
        for number in range(300):
            ann.say(a_tell(str(number)))
        assert [(await heard(bo, p.Tell)).text for _ in range(300)] == [str(n) for n in range(300)]
        assert router.up == {"Harbour", "Old Keep"}
        assert router.statistics()["relayed"] == 300
        ann.close()
        await until(lambda: router.up == {"Old Keep"}, "its end is noticed")


async def test_frames_come_in_any_pieces_and_with_any_end(tmp_path: Path) -> None:
    async with router_in(tmp_path) as router:
        ann, _ = await mud(router.port, "Harbour")
        bo, _ = await mud(router.port, "Old Keep")
        body = encode(p.write(a_tell("hi")))
        for end in (b"\0", b"\r", b"", b"\r" + body + b"\r"):
            frame = body + end
            for byte in len(frame).to_bytes(4, "big") + frame:
                ann.writer.write(bytes([byte]))
                await ann.writer.drain()
        for _ in range(5):
            assert (await heard(bo, p.Tell)).text == "hi"
        ann.writer.write(b"\0\0\0\x05({1}\0" + b"\0\0\0\0")
        assert await fault(ann) == "bad-pkt"
        ann.say(a_tell("still here"))
        assert (await heard(bo, p.Tell)).text == "still here"


async def test_what_nobody_could_read_is_told_to_its_sender_and_not_sent(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(91):
        deep = [deep]
    async with router_in(tmp_path) as router:
        ann, _ = await mud(router.port, "Harbour")
        bo, _ = await mud(router.port, "Old Keep")
        zero = encode(["fnord", 5, "Harbour", 0, "Old Keep", 0, "a"]).replace(b'"a"', b'"a\0b"')
        ann.writer.write(len(zero).to_bytes(4, "big") + zero)
        assert await fault(ann) == "bad-pkt"
        big = encode(["fnord", 5, "Harbour", 0, "Old Keep", 0, "x" * 300_000]) + b"\0"
        ann.writer.write(len(big).to_bytes(4, "big") + big)
        assert await fault(ann) == "bad-pkt"
        ann.say(a_tell("next"))
        assert (await heard(bo, p.Tell)).text == "next"


async def test_a_deep_line_that_its_filter_never_answers_does_not_stop_the_clock(
    tmp_path: Path,
) -> None:
    deep: Any = "x"
    for _ in range(99):
        deep = [deep]
    async with router_in(tmp_path, filter_timeout=0.2, down_after=0.5) as router:
        host, _ = await mud(router.port, "Harbour")
        bo, _ = await mud(router.port, "Old Keep")
        add = p.ChannelAdd(from_mud="Harbour", to_mud=HUB, channel="quiet", kind=2)
        admit = p.ChannelAdmin(from_mud="Harbour", to_mud=HUB, channel="quiet", added=("Old Keep",), removed=())  # fmt: skip
        for each in (add, admit):
            host.say(each)
            await heard(host, p.ChanAck)
        bo.say(p.ChannelListen(from_mud="Old Keep", to_mud=HUB, channel="quiet", is_on=1))
        line = encode(["channel-m", 5, "Old Keep", "bo", 0, 0, "quiet", "Bo", "hi", deep]) + b"\0"
        bo.writer.write(len(line).to_bytes(4, "big") + line)
        assert await fault(bo) == "bad-pkt", "it cannot be shown to the host"
        host.close()
        down = await bo.hear(lambda each: isinstance(each, p.Mudlist) and not _is_up(each, "Harbour"))  # fmt: skip
        assert isinstance(down, p.Mudlist), "what is due later is done"


def _is_up(listed: p.Mudlist, name: str) -> bool:
    row = listed.muds.get(name)
    return row is None or row.is_up


async def test_a_length_that_is_too_large_ends_only_its_own_connection(tmp_path: Path) -> None:
    async with router_in(tmp_path) as router:
        ann, _ = await mud(router.port, "Harbour")
        bo, _ = await mud(router.port, "Old Keep")
        ann.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: router.up == {"Old Keep"}, "it is cut")
        bo.say(p.AuthMudReq(from_mud="Old Keep", to_mud="Old Keep"))
        await heard(bo, p.AuthMudReq)


async def test_who_says_nothing_is_cut_and_who_has_started_up_may_be_silent(tmp_path: Path) -> None:
    async with router_in(tmp_path, startup_timeout=0.3) as router:
        ann, _ = await mud(router.port, "Harbour")
        silent = await Peer.connect(router.port)
        with pytest.raises(AssertionError, match="cut off"):
            await heard(silent, p.StartupReply)
        silent.close()
        ann.say(p.AuthMudReq(from_mud="Harbour", to_mud="Harbour"))
        await heard(ann, p.AuthMudReq)


async def test_a_flood_is_told_and_slowed_down_and_loses_nothing(tmp_path: Path) -> None:
    async with router_in(tmp_path, packet_rate=2000.0, packet_burst=20) as router:
        (ann, _), (bo, _) = await mud(router.port, "Harbour"), await mud(router.port, "Old Keep")
        for number in range(1000):
            ann.say(a_tell(str(number)))
        assert [(await heard(bo, p.Tell)).text for _ in range(1000)] == [str(n) for n in range(1000)]  # fmt: skip
        assert await fault(ann) == "not-allowed"
        assert router.statistics()["paused"] > 0


async def test_a_mud_that_does_not_read_is_dropped_and_the_others_are_not_held_up(
    tmp_path: Path,
) -> None:
    async with router_in(tmp_path, packet_rate=None) as router:
        ann, _ = await mud(router.port, "Harbour")
        await mud(router.port, "Old Keep")  # reads nothing from here on
        witness, _ = await mud(router.port, "Witness")
        for _ in range(4000):
            ann.say(a_tell("x" * 10_000))
            await ann.writer.drain()
            if "Old Keep" not in router.up:
                break
        await until(lambda: router.up == {"Harbour", "Witness"}, "it is cut")
        assert router.statistics()["slow_readers"] == 1
        witness.say(p.AuthMudReq(from_mud="Witness", to_mud="Witness"))
        await heard(witness, p.AuthMudReq)


async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    async with router_in(tmp_path) as router:
        second = Router(None, RouterSettings(name=HUB, port=router.port))
        with pytest.raises(NetworkError, match="cannot listen"):
            async with second:
                pass


# --- a process ------------------------------------------------------------------------------------


async def test_nothing_is_lost_when_the_router_is_killed_and_started_again(tmp_path: Path) -> None:
    arguments = ("router", "--name", HUB, "--data", str(tmp_path / "data"), "--port")
    passwords: dict[str, int] = {}
    channels: dict[str, str] = {}
    for life in range(3):
        async with running(tmp_path, *arguments, "0") as router:
            muds: list[Peer] = []
            for name, password in passwords.items():
                thief = await Peer.connect(router.port)
                thief.say(startup(name, password % 2**30 + 1))
                assert await fault(thief) == "not-allowed", "the name is still taken"
                thief.close()
                again, given = await mud(router.port, name, password)
                assert given == password
                muds.append(again)
            if muds:
                muds[-1].say(p.ChanlistReq(from_mud=list(passwords)[-1], to_mud=HUB))
                listed = await muds[-1].hear(lambda each: isinstance(each, p.ChanlistReply) and set(channels) <= set(each.channels))  # fmt: skip
                assert isinstance(listed, p.ChanlistReply)
                owners = {name: row and row.host for name, row in listed.channels.items()}
                assert owners == channels
            name = f"Mud {life}"
            new, passwords[name] = await mud(router.port, name)
            new.say(p.ChannelAdd(from_mud=name, to_mud=HUB, channel=f"ale {life}", kind=1))
            await heard(new, p.ChanAck)  # what is acknowledged is kept
            channels[f"ale {life}"] = name
            await router.kill()


async def test_ctrl_c_tells_the_muds_and_ends_in_peace(tmp_path: Path) -> None:
    async with running(tmp_path, "router", "--name", HUB, "--port", "0", "--data", str(tmp_path / "data")) as router:  # fmt: skip
        ann, _ = await mud(router.port, "Harbour")
        router.process.send_signal(signal.SIGINT)
        assert (await heard(ann, p.RouterShutdown)).restart_delay == 1
        assert await asyncio.wait_for(router.process.wait(), 30) == 0
        ann.close()
    assert router.log.read_text() == ""


async def test_a_mud_that_has_lost_its_password_is_freed_by_the_operator(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ("router", "--name", HUB, "--port", "0", "--data", str(data))
    async with running(tmp_path, *arguments) as router:
        ann, password = await mud(router.port, "Harbour")
        ann.say(p.ChannelAdd(from_mud="Harbour", to_mud=HUB, channel="ale", kind=0))
        await heard(ann, p.ChanAck)
        busy = await asyncio.to_thread(CliRunner().invoke, program, ["forget-mud", "Harbour", "--data", str(data)])  # fmt: skip
        assert busy.exit_code == 1, "not while it runs"
        ann.close()
    freed = await asyncio.to_thread(CliRunner().invoke, program, ["forget-mud", "Harbour", "--data", str(data)])  # fmt: skip
    assert freed.exit_code == 0, freed.output
    async with running(tmp_path, *arguments) as router:
        ann, new = await mud(router.port, "Harbour")
        assert new != password
        ann.say(p.ChannelRemove(from_mud="Harbour", to_mud=HUB, channel="ale"))
        await heard(ann, p.ChanAck)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("router", "--name", "hub"), "is no name of a router"),
        (("forget-mud", "Harbour"), "There is no router"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr("holdfast.ops.configure_logging", lambda _: None)
    found = CliRunner().invoke(program, [*arguments, "--data", str(tmp_path / "data")])
    assert found.exit_code == 1
    assert expected in found.output
    assert len(found.output.strip().splitlines()) == 1


async def test_a_port_that_is_in_use_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "holdfast.cli.main", "i3", "router", "--port", str(port), "--data", str(tmp_path),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert said == b""
    assert (
        errors.decode()
        .strip()
        .splitlines()[-1]
        .startswith("holdfast: router *holdfast cannot listen on 127.0.0.1")
    )
    assert b"Traceback" not in errors
