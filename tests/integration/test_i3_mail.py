"""Letters between muds past the router: each arrives once, or who wrote it is told; and what strangers may try."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.api import MIGRATIONS as API_MIGRATIONS
from holdfast.apps.i3.api import Api, line_listener
from holdfast.apps.i3.client import ApiError, I3Client
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import RouterAddress, _past, events
from holdfast.apps.i3.gateway.oob import OobClient
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.router import Router, RouterSettings
from holdfast.storage import Database, Durability
from tests.integration.test_i3_files import talk
from tests.support.i3_network import gateway_on, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from holdfast.apps.i3.gateway import Gateway, Mud
    from tests.support.i3_network import Heard

BO = [("Old Keep", "Bo")]


class Place:
    """A router, Harbour, and Old Keep that can go and come back."""

    def __init__(self, folder: Path, hub: RouterAddress, harbour: Gateway, heard: Heard) -> None:
        self.folder = folder
        self.hub = hub
        self.harbour = harbour
        self.heard = heard
        self._stack = AsyncExitStack()
        self.keep: Gateway
        self.keep_heard: Heard

    async def comes(self, **more: Any) -> None:
        """Old Keep comes."""
        around = gateway_on(self.folder, self.hub, name="Old Keep", **{"mail": True, **more})
        self.keep, self.keep_heard = await self._stack.enter_async_context(around)
        await until(lambda: self.sees(is_up=True), "Harbour sees Old Keep")
        await until(lambda: "Harbour" in self.keep.muds, "Old Keep sees Harbour")

    async def goes(self) -> None:
        """It goes, for everybody to see."""
        await self._stack.aclose()
        await until(lambda: self.sees(is_up=False), "Harbour sees that Old Keep is gone")

    def sees(self, *, is_up: bool) -> bool:
        """Whether Harbour has heard that it is up or down."""
        mud = self.harbour.muds.get("Old Keep")
        return mud is not None and mud.is_up == is_up and "mail" in mud.services

    async def arrived(self) -> None:
        """Nothing waits any more."""
        await until(lambda: self.figure("letters_waiting") == 0, "no letter waits")

    def figure(self, name: str) -> object:
        """A figure of Harbour."""
        return self.harbour.statistics()[name]


@asynccontextmanager
async def two(folder: Path, **more: Any) -> AsyncIterator[Place]:
    """Both are there, and have mail."""
    async with Router(None, RouterSettings(name="*hub", port=0, list_delay=0.01, down_after=0.05)) as router:  # fmt: skip
        hub = RouterAddress("*hub", "127.0.0.1", router.port)
        settings = {"mail": True, "request_timeout": 20.0, **more}
        async with gateway_on(folder, hub, **settings) as (harbour, heard):
            place = Place(folder, hub, harbour, heard)
            async with place._stack:
                await place.comes()
                yield place


async def test_letters_go_there_and_back(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        assert place.harbour.muds["Old Keep"].services["mail"] == 1
        assert "file" not in place.harbour.muds["Old Keep"].services

        await place.harbour.mail.send("Hello", "one\ntwo", from_user="Ann", to=[("old.keep", "Bo")])
        got = await place.keep_heard.next(events.MailReceived)
        letter = await place.keep.mail.read(got.mail_id)
        await place.keep.mail.send(
            "Re: Hello", letter.body, from_user="bo", to=[("Harbour", "ann")]
        )
        back = await place.heard.next(events.MailReceived)

        assert (got.from_mud, got.from_user, got.to_users, got.subject) == (
            "Harbour", "ann", ("bo",), "Hello",
        )  # fmt: skip
        assert letter.body == "one\ntwo"
        assert [(each.mud, each.user) for each in letter.to] == [("Old Keep", "bo")]
        (row,) = await place.harbour.mail.list("ANN")
        assert (row.id, row.from_mud, row.subject, row.size) == (back.mail_id, "Old Keep", "Re: Hello", 7)  # fmt: skip
        await place.arrived()
        assert (place.figure("letters_delivered"), place.figure("letters_received")) == (1, 1)


async def test_each_mud_sees_its_own_blind_copies_only(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        await place.harbour.mail.send(
            "s", "b", from_user="ann",
            to=BO, cc=[("", "Dee")], bcc=[("Old Keep", "cy"), ("Harbour", "eve"), ("Old Keep", "cy")],
        )  # fmt: skip
        there = await place.keep_heard.next(events.MailReceived)
        here = await place.heard.next(events.MailReceived)
        assert (there.to_users, here.to_users) == (("bo", "cy"), ("dee", "eve"))
        for letter in (await place.keep.mail.read(there.mail_id), await place.harbour.mail.read(here.mail_id)):  # fmt: skip
            assert [(each.mud, each.user) for each in letter.to] == [("Old Keep", "bo")]
            assert [(each.mud, each.user) for each in letter.cc] == [("Harbour", "dee")]


async def test_a_letter_waits_for_a_mud_that_is_away(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        await place.goes()
        for number in range(3):
            await place.harbour.mail.send(f"{number}", "", from_user="ann", to=BO)
        assert place.figure("letters_waiting") == 3
        await place.comes()
        await place.keep_heard.next(events.MailReceived, 3)
        await place.arrived()
        assert {row.subject for row in await place.keep.mail.list("bo")} == {"0", "1", "2"}
        assert not place.heard.of(events.ErrorOccurred)


async def test_a_letter_that_waits_survives_a_restart_of_its_gateway(tmp_path: Path) -> None:
    async with Router(None, RouterSettings(name="*hub", port=0, list_delay=0.01)) as router:
        hub = RouterAddress("*hub", "127.0.0.1", router.port)
        async with gateway_on(tmp_path, hub, mail=True) as (harbour, _):
            async with gateway_on(tmp_path, hub, name="Old Keep", mail=True):
                await until(lambda: "Old Keep" in harbour.muds, "it sees the other")
            first = await harbour.mail.send("1", "", from_user="ann", to=BO)
            second = await harbour.mail.send("2", "", from_user="ann", to=BO)
            assert first < second
        async with (
            gateway_on(tmp_path, hub, mail=True) as (harbour, _),
            gateway_on(tmp_path, hub, name="Old Keep", mail=True) as (keep, heard),
        ):
            await heard.next(events.MailReceived, 2)
            await until(lambda: harbour.statistics()["letters_waiting"] == 0, "none waits")
            assert {row.subject for row in await keep.mail.list("bo")} == {"1", "2"}
            assert await harbour.mail.send("3", "", from_user="ann", to=BO) > second


async def test_a_mud_that_gives_no_tokens_is_told_that_a_letter_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "ANNOUNCED_BEFORE", 0.1)
    async with two(tmp_path) as place:
        await place.goes()
        await place.comes(services={"tell": 1})
        await until(lambda: "auth" not in place.harbour.muds["Old Keep"].services, "it is seen")
        await place.harbour.mail.send("s", "b", from_user="ann", to=BO)
        await place.keep_heard.next(events.MailReceived)
        await place.arrived()
        assert len(await place.keep.mail.list("bo")) == 1


async def test_a_letter_whose_acknowledgement_is_lost_comes_again_and_is_kept_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path) as place:
        ask, lost = OobClient.ask, 0

        async def loses(self: OobClient, request: Any, timeout: float) -> Any:
            nonlocal lost
            answer = await ask(self, request, timeout)
            if isinstance(answer, packets.MailAck) and lost < 2:
                lost += 1
                raise I3Error(I3Code.OOB_FAILED, "It is cut.", fault="")
            return answer

        monkeypatch.setattr(OobClient, "ask", loses)
        await place.harbour.mail.send("s", "b", from_user="ann", to=BO)
        await place.arrived()
        assert lost == 2
        assert len(await place.keep.mail.list("bo")) == 1
        assert len(place.keep_heard.of(events.MailReceived)) == 1
        assert not place.heard.of(events.ErrorOccurred)


async def test_a_letter_whose_time_is_over_is_told_with_its_number(tmp_path: Path) -> None:
    async with two(tmp_path, mail_ttl=0.3) as place:
        await place.goes()
        number = await place.harbour.mail.send("s", "b", from_user="ann", to=[*BO, ("Old Keep", "cy")])  # fmt: skip
        told = await place.heard.next(events.ErrorOccurred)
        assert (told.error, told.message_id, told.packet_type) == ("expired", str(number), "mail")
        assert (told.target_mud, told.target_user, told.to_user) == ("Old Keep", "bo, cy", "ann")
        assert (place.figure("letters_waiting"), place.figure("letters_expired")) == (0, 1)


async def test_a_name_without_a_box_or_room_in_it_fails_and_the_others_get_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAIL_PER_USER_MAX", 1)
    async with two(tmp_path, mail_users=("ann",)) as place:
        await place.goes()
        await place.comes(mail_users=("BO", "cy"))
        await place.harbour.mail.send("1", "", from_user="ann", to=BO)
        await place.arrived()
        number = await place.harbour.mail.send(
            "2", "", from_user="ann",
            to=[("Old Keep", "bo"), ("Old Keep", "cy"), ("Old Keep", "nobody"), ("Harbour", "dee")],
        )  # fmt: skip
        await place.arrived()
        await place.heard.next(events.ErrorOccurred, 3)
        failed = {
            (each.target_mud, each.target_user): (each.error, each.message_id)
            for each in place.heard.of(events.ErrorOccurred)
        }
        why = ("unk-user", str(number))
        assert failed == {("Old Keep", "bo"): why, ("Old Keep", "nobody"): why, ("Harbour", "dee"): why}  # fmt: skip
        assert [row.subject for row in await place.keep.mail.list("bo")] == ["1"]
        assert [row.subject for row in await place.keep.mail.list("cy")] == ["2"]


async def test_a_letter_is_gone_when_the_last_box_is_empty_and_lists_go_on_after_a_number(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as place:
        mail = place.harbour.mail
        for number in range(5):
            await mail.send(f"{number}", "", to=[("", "ann"), ("", "bo")])
        rows = await mail.list("ann")
        assert [row.subject for row in rows] == list("01234")
        assert await mail.list("ann", after=rows[2].id, limit=1) == rows[3:4]
        assert await mail.delete(rows[0].id, "ANN") == 1
        assert (await mail.read(rows[0].id)).users == ("bo",)
        assert await mail.delete(rows[0].id, "ann") == 0
        assert await mail.delete(rows[0].id) == 1
        with pytest.raises(I3Error) as refused:
            await mail.read(rows[0].id)
        assert refused.value.code == I3Code.LETTER_UNKNOWN
        assert [row.subject for row in await mail.list("bo")] == list("1234")


NO_LETTER: tuple[tuple[dict[str, Any], I3Code], ...] = (
    ({"to": []}, I3Code.NAME_INVALID),
    ({"to": [("", f"u{n}") for n in range(limits.MAIL_RECIPIENTS_MAX + 1)]}, I3Code.NAME_INVALID),
    ({"to": [("", "")]}, I3Code.NAME_INVALID),
    ({"to": [("Nowhere", "bo")]}, I3Code.MUD_UNKNOWN),
    ({"from_user": "a\nb"}, I3Code.NAME_INVALID),
    ({"subject": "a\nb"}, I3Code.TEXT_INVALID),
    ({"subject": "x" * (limits.MAIL_SUBJECT_LENGTH_MAX + 1)}, I3Code.TEXT_INVALID),
    ({"body": "x" * (limits.MAIL_BODY_BYTES_MAX + 1)}, I3Code.TEXT_INVALID),
    ({"body": "a\0b"}, I3Code.TEXT_INVALID),
    ({"body": "\ud800"}, I3Code.TEXT_INVALID),
)  # fmt: skip
"""What is wrong with it, and how it is refused."""


async def test_what_cannot_be_a_letter_is_refused_at_once(tmp_path: Path) -> None:
    nowhere = RouterAddress("*hub", "127.0.0.1", 1)
    async with gateway_on(tmp_path, nowhere, mail=True) as (harbour, heard):
        for change, code in NO_LETTER:
            given = {"subject": "s", "body": "b", "to": [("", "bo")], **change}
            with pytest.raises(I3Error) as refused:
                await harbour.mail.send(**given)
            assert refused.value.code == code, change
        assert await harbour.mail.list("bo") == ()
        assert not heard.of(events.MailReceived)


async def test_too_many_letters_and_too_many_muds_are_refused_with_a_time_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path) as place:
        await place.goes()
        for name, most in (("MAIL_WAITING_MAX", 1), ("MAIL_MUDS_MAX", 0)):
            monkeypatch.setattr(limits, name, most)
            if most:
                await place.harbour.mail.send("1", "", to=BO)
            with pytest.raises(I3Error) as refused:
                await place.harbour.mail.send("2", "", to=[*BO, ("", "ann")])
            assert refused.value.code == I3Code.QUEUE_FULL
            assert refused.value.retry_after
            monkeypatch.undo()
        assert place.figure("letters_waiting") == 1
        assert await place.harbour.mail.list("ann") == (), "nothing of it was sent"


async def test_letters_to_deaf_muds_do_not_hold_up_what_waits_for_the_router(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    async def never(_: object, mud: Mud, *__: object) -> None:
        asked.add(mud.name)
        await asyncio.Event().wait()

    monkeypatch.setattr(_past.Past, "ask", never)
    async with two(tmp_path) as place:
        known = place.harbour._desk.machine.muds.muds
        deaf = [f"Deaf {number}" for number in range(limits.MAIL_MUDS_MAX)]
        for name in deaf:
            known[name] = msgspec.structs.replace(known["Old Keep"], name=name)
        await place.harbour.mail.send("s", "", from_user="ann", to=[(name, "bo") for name in deaf])
        await until(lambda: asked == set(deaf), "all of them are being asked")
        tell = packets.Tell(
            from_mud="Harbour", from_user="ann", to_mud="Old Keep", to_user="bo", visname="Ann", text="hi"
        )  # fmt: skip
        await place.harbour._queue.put(place.harbour._sender.parcel(tell, "m1"))
        assert (await place.keep_heard.next(events.TellReceived)).message == "hi"
        with pytest.raises(I3Error) as refused:
            await place.harbour.mail.send("s", "", from_user="ann", to=BO)
        assert refused.value.code == I3Code.QUEUE_FULL


async def test_without_mail_nothing_is_offered_taken_or_sent(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        await place.goes()
        around = gateway_on(tmp_path / "other", place.hub, name="Plain", news_groups=("lpc",))
        async with around as (plain, _):
            await until(lambda: "Plain" in place.harbour.muds, "it is there")
            assert "mail" not in place.harbour.muds["Plain"].services
            with pytest.raises(I3Error) as refused:
                await place.harbour.mail.send("s", "b", to=[("Plain", "bo")])
            assert refused.value.code == I3Code.SERVICE_MISSING
            with pytest.raises(I3Error) as refused:
                await plain.mail.list("bo")
            assert refused.value.code == I3Code.SERVICE_MISSING
            begin = await begun(place.harbour, plain.name)
            replies = await talk(place.harbour.muds["Plain"].tcp_port, begin, letter(1))
            assert replies[1][:2] == ["oob-error", "not-imp"]  # type: ignore[index]


# --- strangers ------------------------------------------------------------------------------------


def letter(id_: object, **more: Any) -> list[object]:
    given = {
        "user": "ann",
        "to": {"Old Keep": ["bo"]},
        "cc": {},
        "bcc": [],
        "subject": "s",
        "body": "b",
    }
    given.update(more)
    return ["mail", id_, given["user"], given["to"], given["cc"], given["bcc"], 1_700_000_000, given["subject"], given["body"]]  # fmt: skip


async def begun(gateway: Gateway, mud: str) -> list[object]:
    """The first word of a connection to a mud, with a token from it."""
    wanted = packets.AuthMudReq(from_mud=gateway.name, to_mud=mud)
    token = await gateway._asking.answer(Kind.AUTH, mud, "", wanted)
    return ["oob-begin", gateway.name, 1, token]


async def test_only_who_has_a_token_may_bring_letters(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        port = place.harbour.muds["Old Keep"].tcp_port
        assert await talk(port, ["oob-begin", "Harbour", 0, 0], letter(1)) == []
        assert await talk(port, ["oob-begin", "Harbour", 1, 12345], letter(1)) == []
        (reply,) = await talk(port, letter(1))
        assert reply[:2] == ["oob-error", "bad-proto"]  # type: ignore[index]
        assert await place.keep.mail.list("bo") == ()


NOT_OURS: tuple[tuple[list[object], str], ...] = (
    (letter(1, to={"Nowhere": ["bo"]}), "unk-user"),
    (letter(1, to={}), "unk-user"),
    (letter(1, to={"Old Keep": [f"u{n}" for n in range(limits.MAIL_RECIPIENTS_MAX + 1)]}), "bad-pkt"),
    (letter(1, body="x" * (limits.MAIL_BODY_BYTES_MAX + 1)), "bad-pkt"),
    (letter(1, subject="x" * (limits.MAIL_SUBJECT_LENGTH_MAX + 1)), "bad-pkt"),
    (letter(1, user="x" * (limits.NAME_LENGTH_MAX + 1)), "bad-pkt"),
    (letter("x" * (limits.NAME_LENGTH_MAX + 1)), "bad-pkt"),
    (letter([1]), "bad-pkt"),
    (letter(1, to="bo"), "bad-pkt"),
    (letter(1)[:5], "bad-pkt"),
)  # fmt: skip
"""What comes, and the word with which it is refused."""


async def test_a_letter_that_is_none_of_ours_or_too_large_is_refused_and_nothing_kept(
    tmp_path: Path,
) -> None:
    async with two(tmp_path) as place:
        port = place.harbour.muds["Old Keep"].tcp_port
        for sent, fault in NOT_OURS:
            replies = await talk(port, await begun(place.harbour, "Old Keep"), sent)
            assert replies[1][:2] == ["oob-error", fault], sent  # type: ignore[index]
        assert await place.keep._database.fetch_all("SELECT * FROM i3_letter") == []
        assert await place.keep._database.fetch_all("SELECT * FROM inbox") == []


async def test_one_number_of_one_mud_is_one_letter_whatever_is_in_it(tmp_path: Path) -> None:
    async with two(tmp_path) as place:
        port = place.harbour.muds["Old Keep"].tcp_port
        replies = await talk(
            port, await begun(place.harbour, "Old Keep"),
            letter(7, to={"old.keep": ["Bo", "a\nb"]}), letter("7", subject="other"), letter(8, bcc=["Cy"]),
            letter(9, to={"Old Keep": ["\x1b"]}), letter(9, to={"Old Keep": ["\x1b"]}),
        )  # fmt: skip
        assert replies[1:-1] == [
            ["mail-ack", {7: ["a\nb"]}],
            ["mail-ack", {"7": ["a\nb"]}],
            ["mail-ack", {8: []}],
            ["mail-ack", {9: ["\x1b"]}],
            ["mail-ack", {9: ["\x1b"]}],
        ]
        assert [row.subject for row in await place.keep.mail.list("bo")] == ["s", "s"]
        got = place.keep_heard.of(events.MailReceived)
        assert [each.to_users for each in got] == [("bo",), ("bo", "cy")]
        assert all(each.from_mud == "Harbour" for each in got), "as it has shown with its token"


async def test_who_brings_too_many_letters_is_hung_up_on_and_none_is_half_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAIL_BURST", 3)
    monkeypatch.setattr(limits, "MAIL_RATE", 0.001)
    async with two(tmp_path) as place:
        port = place.harbour.muds["Old Keep"].tcp_port
        begin = await begun(place.harbour, "Old Keep")
        replies = await talk(port, begin, *[letter(n) for n in range(6)])
        assert [each[0] for each in replies] == ["oob-begin", "mail-ack", "mail-ack", "mail-ack"]  # type: ignore[index]
        assert len(await place.keep.mail.list("bo")) == 3


@pytest.mark.parametrize("bound", ["MAIL_BYTES_MAX", "MAIL_PER_MUD_BYTES_MAX"])
async def test_a_mud_cannot_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(limits, bound, 3000)
    async with two(tmp_path) as place:
        port = place.harbour.muds["Old Keep"].tcp_port
        sent = [letter(n, body="x" * 1000) for n in range(4)]
        replies = await talk(port, await begun(place.harbour, "Old Keep"), *sent)
        assert [each[1] for each in replies[1:-1]] == [{0: []}, {1: []}, {2: ["bo"]}, {3: ["bo"]}]  # type: ignore[index]
        (row, _) = await place.keep.mail.list("bo")
        await place.keep.mail.delete(row.id)
        replies = await talk(port, await begun(place.harbour, "Old Keep"), letter(3, body="x" * 1000))  # fmt: skip
        assert replies[1] == ["mail-ack", {3: []}]


# --- processes and clients ------------------------------------------------------------------------

KEEP = """
import asyncio, sys
from pathlib import Path
from holdfast.apps.i3.gateway import *
from holdfast.storage import Database

async def main(folder, port):
    settings = GatewaySettings(mud_name="Old Keep", routers=(RouterAddress("*hub", "127.0.0.1", port),), mail=True,
        retry_delay=0.05, retry_delay_max=0.2, attempt_interval=0.02, pace_rate=None)
    async with Database(Path(folder) / "Old Keep" / "gateway.db", MIGRATIONS) as database, Gateway(database, settings) as gateway:
        gateway.on_event(lambda event: print(event.method, flush=True))
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_letters_to_a_mud_that_is_killed_again_and_again_arrive_once_each(
    tmp_path: Path,
) -> None:
    async with two(tmp_path, request_timeout=1.0) as place:
        await place.goes()
        sent = 0
        for _ in range(2):
            for _ in range(4):
                sent += 1
                await place.harbour.mail.send(f"{sent}", "", from_user="ann", to=BO)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", KEEP, str(tmp_path), str(place.hub.port),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            async with asyncio.timeout(60):
                while (line := await process.stdout.readline()) != b"mail_received\n":
                    assert line, "it lives"
            os.kill(process.pid, signal.SIGKILL)  # the letter is kept; perhaps not acknowledged
            await process.wait()
        await place.comes()
        await place.arrived()
        got = [row.subject for row in await place.keep.mail.list("bo")]
        assert sorted(got, key=int) == [str(number + 1) for number in range(sent)]
        assert not place.heard.of(events.ErrorOccurred)


async def test_clients_write_read_and_throw_away_with_the_permission_for_it(tmp_path: Path) -> None:
    async with (
        two(tmp_path) as place,
        Database(tmp_path / "api" / "api.db", {"api": API_MIGRATIONS}, durability=Durability.PROCESS_DEATH) as database,
        Api(place.harbour, database) as api,
    ):  # fmt: skip
        keys = {name: await api.keys.add(name, [name]) for name in ("mail", "tell")}
        lines = line_listener(api)
        port = await lines.start("127.0.0.1", 0)
        async with (
            I3Client(f"tcp://127.0.0.1:{port}", keys["mail"]) as client,
            I3Client(f"tcp://127.0.0.1:{port}", keys["tell"]) as other,
        ):
            to = [{"mud": "Old Keep", "user": "bo"}, {"user": "ann"}]
            first = await client.mail_send(to, "s", "b", from_user="cy", resend="1")
            again = await client.mail_send(to, "s", "b", from_user="cy", resend="1")
            assert first.mail_id == again.mail_id
            event = await anext(client.events())
            assert (event.method, event.params["to_users"]) == ("mail_received", ["ann"])
            (row,) = (await client.mail_list("ann")).mails
            shown = await client.mail_read(row.mail_id)
            assert (shown.from_user, shown.body, shown.users) == ("cy", "b", ["ann"])
            assert [(each.mud, each.user) for each in shown.to] == [("Old Keep", "bo"), ("Harbour", "ann")]  # fmt: skip
            assert (await client.mail_delete(row.mail_id)).count == 1
            refusals: list[Callable[[], Any]] = [
                lambda: client.mail_read(row.mail_id),
                lambda: other.mail_list("ann"),
            ]
            for refused, name in zip(refusals, ("LETTER_UNKNOWN", ""), strict=True):
                with pytest.raises(ApiError) as caught:
                    await refused()
                assert caught.value.details.get("name", "") == name
        await lines.stop()
        await place.arrived()
        assert len(await place.keep.mail.list("bo")) == 1
