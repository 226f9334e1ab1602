"""The API of a gateway: who may what, in which order, and that nothing that happened is missed or comes twice."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import METHODS, MIGRATIONS, Api, RpcCode, RpcError, described
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.events import ChannelMessage, TellReceived, UserJoinedChannel
from holdfast.storage import Database, Durability
from tests.support.fake_gateway import FakeGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.session import Packet


class Link:
    """A transport that remembers what it was to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.is_proved = False
        self.flowing = asyncio.Event()
        self.flowing.set()

    def send(self, packet: Packet) -> None:
        self.sent.append(json.loads(packet.payload))

    def proved(self) -> None:
        self.is_proved = True

    @property
    def is_slow(self) -> bool:
        return not self.flowing.is_set()

    async def room(self) -> None:
        await self.flowing.wait()

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


class Client:
    """Somebody at the other end of a link."""

    def __init__(self, api: Api, key: str | None = None, remote: str = "192.0.2.7") -> None:
        self.api = api
        self.link = Link()
        self.number = 0
        self.session = api.opened(self.link, remote, key)

    def say(self, method: str, **params: Any) -> int:
        self.number += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params, "id": self.number}
        self.api.received(self.session, json.dumps(message).encode())
        return self.number

    async def ask(self, method: str, **params: Any) -> Any:
        number = self.say(method, **params)
        while not (found := [each for each in self.link.sent if each.get("id") == number]):
            await asyncio.sleep(0)
        (answer,) = found
        return answer.get("result", answer.get("error"))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [each for each in self.link.sent if "method" in each]

    @property
    def texts(self) -> list[str]:
        return [each["params"]["message"] for each in self.events if "message" in each["params"]]

    async def has_read(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.texts) < count:
                await asyncio.sleep(0.001)

    async def listens(self) -> Client:
        """Wait until it gets what comes at once."""
        async with asyncio.timeout(5):
            while not self.session.is_live:
                await asyncio.sleep(0)
        return self

    def leave(self) -> None:
        self.api.lost(self.session)


class Place:
    def __init__(self, api: Api, gateway: FakeGateway, key: str) -> None:
        self.api = api
        self.gateway = gateway
        self.key = key

    def client(self, key: str | None = None) -> Client:
        return Client(self.api, key or self.key)

    def says(self, *texts: str) -> None:
        for text in texts:
            self.gateway.happens(
                TellReceived(
                    from_mud="Old Keep", from_user="bo", to_user="ann", visname="Bo", message=text
                )
            )


@asynccontextmanager
async def opened(
    folder: Path, *permissions: str, **rates: tuple[float, int]
) -> AsyncIterator[Place]:
    gateway: Any = FakeGateway()
    async with (
        Database(
            folder / "i3.db", {"api": MIGRATIONS}, durability=Durability.PROCESS_DEATH
        ) as database,
        Api(gateway, database) as api,
    ):
        known = "a-key-that-was-known" + "".join(permissions)
        if api.keys.find(known) is None:
            await api.keys.add("mud" + "".join(permissions), permissions or ("*",), rates, known)
        yield Place(api, gateway, known)


# --- who may what ---------------------------------------------------------------------------------


async def test_a_stranger_may_only_say_who_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        stranger = Client(place.api)

        refused = await stranger.ask("tell", target_mud="Old Keep", target_user="bo", message="hi")
        pong = await stranger.ask("ping")
        known = await stranger.ask("authenticate", api_key=place.key)
        sent = await stranger.ask("tell", target_mud="Old Keep", target_user="bo", message="hi")

        assert refused["code"] == RpcCode.NOT_AUTHENTICATED
        assert pong["pong"] is True
        assert known["status"] == "authenticated"
        assert known["mud_name"] == "Harbour"
        assert known["session_id"] == stranger.session.id
        assert stranger.link.is_proved
        assert sent == {"status": "sent", "message_id": "m1"}


async def test_a_wrong_key_with_the_handshake_ends_the_connection(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        stranger = Client(place.api, "not-the-key-at-all")

        (told,) = stranger.link.sent
        assert told["error"]["code"] == RpcCode.NOT_AUTHENTICATED
        assert stranger.link.closed is not None
        assert place.key not in json.dumps(stranger.link.sent)


async def test_keys_cannot_be_guessed_at_any_rate(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        stranger = Client(place.api)

        for _ in range(limits.API_TRIES):
            assert (await stranger.ask("authenticate", api_key="x" * 20))["code"] == -32000
        error = await stranger.ask("authenticate", api_key="x" * 20)

        assert error["code"] == RpcCode.RATE_LIMIT_EXCEEDED
        assert 0 < error["data"]["retry_after"] <= 60
        other = Client(place.api, remote="192.0.2.8")
        assert (await other.ask("authenticate", api_key=place.key))["status"] == "authenticated"


async def test_a_key_is_kept_as_a_hash_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        made = await place.client().ask("key_add", name="bot")
        listed = await place.client().ask("key_list")

    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert made["api_key"].encode() not in kept
    assert place.key.encode() not in kept
    assert made["api_key"] not in json.dumps(listed)
    assert {each["name"] for each in listed["keys"]} == {"mud", "bot"}


async def test_a_key_is_there_after_a_restart_and_gone_after_it_was_revoked(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        key = (await place.client().ask("key_add", name="bot", permissions=["tell"]))["api_key"]
    async with opened(tmp_path) as place:
        bot = place.client(key)
        assert (await bot.ask("status"))["mud_name"] == "Harbour"

        await place.client().ask("key_revoke", name="bot")

        assert bot.link.closed is not None
        assert place.api.keys.find(key) is None
    async with opened(tmp_path) as place:
        assert place.api.keys.find(key) is None


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "bot", "permissions": ["fly"]},
        {"name": "bot", "rates": {"fly": [1.0, 1]}},
        {"name": "bot", "rates": {"tell": [0.0, 1]}},
        {"name": "bot", "api_key": "short"},
        {"name": "mud"},
        {"name": ""},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(tmp_path: Path, wish: dict[str, Any]) -> None:
    async with opened(tmp_path) as place:
        error = await place.client().ask("key_add", **wish)

        assert error["code"] == RpcCode.INVALID_PARAMS
        assert len(place.api.keys.by_name) == 1


async def test_permissions_that_the_key_names_are_applied(tmp_path: Path) -> None:
    async with opened(tmp_path, "tell", "mudlist") as place:
        client = place.client()

        assert (await client.ask("tell", target_mud="Gone", target_user="x", message="."))["status"]
        assert (await client.ask("mudlist"))["count"] == 2
        for method, params in (
            ("channel_send", {"channel": "ale", "message": "."}),
            ("who", {"target_mud": "Old Keep"}),
            ("reconnect", {}),
            ("key_list", {}),
        ):
            error = await client.ask(method, **params)
            assert error["code"] == RpcCode.PERMISSION_DENIED, method
            assert error["data"]["permission"] == METHODS[method].permission


async def test_rates_that_the_key_names_are_applied_by_method(tmp_path: Path) -> None:
    async with opened(tmp_path, "*", ping=(0.5, 2)) as place:
        client = place.client()

        answers = [await client.ask("ping") for _ in range(3)]
        other = place.client()

        assert [each.get("pong") for each in answers] == [True, True, None]
        assert answers[2]["code"] == RpcCode.RATE_LIMIT_EXCEEDED
        assert answers[2]["data"]["method"] == "ping"
        assert 0 < answers[2]["data"]["retry_after"] <= 2
        assert (await client.ask("status"))["connected"] is True
        assert (await other.ask("ping"))["code"] == RpcCode.RATE_LIMIT_EXCEEDED


async def test_who_comes_near_a_limit_is_warned_once(tmp_path: Path) -> None:
    async with opened(tmp_path, "*", ping=(0.1, 10)) as place:
        client = place.client()

        for _ in range(10):
            await client.ask("ping")

        assert [each["method"] for each in client.events] == ["rate_limit_warning"]


# --- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "params", "asked"),
    [
        ("emoteto", {"target_mud": "Gone", "target_user": "b", "emote": "$N nods"}, "emoteto"),
        ("emoteto", {"target_mud": "Gone", "target_user": "b", "message": "$N nods"}, "emoteto"),
        ("channel_emote", {"channel": "ale", "emote": "$N nods"}, "channel_emote"),
        ("channel_emote", {"channel": "ale", "message": "$N nods"}, "channel_emote"),
    ],
)
async def test_an_emote_goes_by_both_names_that_clients_use(
    tmp_path: Path, method: str, params: dict[str, Any], asked: str
) -> None:
    async with opened(tmp_path) as place:
        answer = await place.client().ask(method, **params)

        assert answer["status"] == "sent"
        ((name, *rest),) = place.gateway.asked
        assert name == asked
        assert "$N nods" in rest


async def test_an_emote_without_text_names_the_param(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        error = await place.client().ask("emoteto", target_mud="Gone", target_user="b")

        assert error["code"] == RpcCode.INVALID_PARAMS
        assert error["data"] == {"param": "emote"}


async def test_what_the_gateway_refuses_says_why_and_when_to_try_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        place.gateway.fails_with = I3Error(I3Code.QUEUE_FULL, "Too much waits.", retry_after=2.5)

        full = await client.ask("tell", target_mud="Gone", target_user="b", message=".")
        unknown = await client.ask("tell", target_mud="Nowhere", target_user="b", message=".")
        place.gateway.fails_with = I3Error(I3Code.NAME_INVALID, "No such name.")
        wrong = await client.ask("tell", target_mud="Gone", target_user="b", message=".")

        assert (full["code"], full["data"]["retry_after"]) == (RpcCode.GATEWAY_ERROR, 2.5)
        assert unknown["data"]["name"] == "MUD_UNKNOWN"
        assert wrong["code"] == RpcCode.INVALID_PARAMS


async def test_a_fault_of_ours_is_not_told_to_clients(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as place:
        place.gateway.fails_with = ZeroDivisionError("a secret of the inside")
        client = place.client()

        message = await client.ask("tell", target_mud="Gone", target_user="b", message=".")
        question = await client.ask("who", target_mud="Gone")

        assert message["code"] == question["code"] == RpcCode.INTERNAL_ERROR
        assert "secret" not in json.dumps(client.link.sent)
        assert "a secret of the inside" in caplog.text


async def test_messages_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with opened(tmp_path, "*", tell=(1000.0, 1000)) as place:
        client = place.client()
        place.gateway.waits_for = asyncio.Event()

        for number in range(50):
            client.say("tell", target_mud="Gone", target_user="b", message=str(number))
        question = client.ask("status")
        assert (await question)["connected"] is True  # is not held up by them
        place.gateway.waits_for.set()
        await client.ask("tell", target_mud="Gone", target_user="b", message="50")

        assert [each[3] for each in place.gateway.asked] == [str(n) for n in range(51)]


async def test_what_was_taken_is_sent_also_when_its_client_has_gone(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        for number in range(5):
            client.say("tell", target_mud="Gone", target_user="b", message=str(number))
        client.leave()

        async with asyncio.timeout(5):
            while len(place.gateway.asked) < 5:
                await asyncio.sleep(0)


async def test_a_message_that_is_sent_again_by_its_name_is_sent_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        wish = {"target_mud": "Gone", "target_user": "b", "message": ".", "resend": "a"}

        first = await place.client().ask("tell", **wish)
        again = await place.client().ask("tell", **wish)
        another = await place.client().ask("tell", **wish | {"resend": "b"})

        assert first == again != another
        assert len(place.gateway.asked) == 2


async def test_calls_of_one_connection_have_a_bound(tmp_path: Path) -> None:
    async with opened(tmp_path, "*", tell=(10_000.0, 10_000)) as place:
        client = place.client()
        place.gateway.waits_for = asyncio.Event()

        for _ in range(limits.API_CALLS_PENDING_MAX + 1):
            client.say("tell", target_mud="Gone", target_user="b", message=".")

        (refused,) = [each for each in client.link.sent if "error" in each]
        assert refused["error"]["code"] == RpcCode.RATE_LIMIT_EXCEEDED
        assert client.session.pending == limits.API_CALLS_PENDING_MAX
        place.gateway.waits_for.set()


async def test_who_sends_nothing_but_nonsense_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()

        for _ in range(limits.API_REFUSED_MAX + 1):
            place.api.received(client.session, b"{")

        assert client.link.closed is not None


async def test_a_stranger_with_a_large_message_is_left_unread(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        stranger = Client(place.api)

        place.api.received(stranger.session, b"{" + b" " * limits.API_UNPROVED_BYTES_MAX)

        assert stranger.link.closed is not None


async def test_lists_are_filtered(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        place.gateway.happens(
            UserJoinedChannel(channel="ale", mud_name="Old Keep", user_name="bo", visname="Bo")
        )

        up = await client.ask("mudlist", filter={"status": "online"})
        by_driver = await client.ask("mudlist", filter={"driver": "ldmud"})
        with_tell = await client.ask("mudlist", filter={"has_service": "tell"})
        channels = await client.ask("channel_list", filter={"min_members": 1, "type": 0})
        nobody = await client.ask("channel_list", filter={"min_members": 2})

        assert [each["name"] for each in up["muds"]] == ["Old Keep"]
        assert [each["name"] for each in by_driver["muds"]] == ["Gone"]
        assert [each["name"] for each in with_tell["muds"]] == ["Old Keep"]
        assert channels["channels"] == [
            {"name": "ale", "owner": "Old Keep", "type": 0, "member_count": 1}
        ]
        assert nobody["count"] == 0


async def test_who_is_here_is_bounded_and_checked(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()

        most = [{"name": f"p{n}", "level": 1000, "idle": 5} for n in range(limits.PLAYERS_MAX)]
        assert (await client.ask("presence_sync", users=most))["count"] == 512
        for users in ([*most, {"name": "x"}], [{"name": ""}], [{"name": "x", "level": 1001}], "x"):
            error = await client.ask("presence_sync", users=users)
            assert error["code"] == RpcCode.INVALID_PARAMS
            assert error["data"]["param"] == "users"


async def test_every_method_of_the_table_is_done_by_somebody(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        calls = place.api.calls
        done = {
            *calls._at_once,
            *calls._handlers.messages,
            *calls._handlers.questions,
            *calls._handlers.at_once,
        }

        assert done == set(METHODS)


async def test_the_description_names_every_method_and_event(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        document = await place.client().ask("rpc.discover")

        assert document == json.loads(json.dumps(described("Harbour")))
        assert {each["name"] for each in document["methods"]} == set(METHODS)
        schemas = document["components"]["schemas"]
        text = json.dumps(document)
        for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
            assert name in schemas
        assert "tell_received" in {each["name"] for each in document["x-events"]}


# --- events ---------------------------------------------------------------------------------------


async def test_events_have_growing_numbers_and_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()

        place.says("one", "two")

        first, second = client.events
        assert first["method"] == "tell_received"
        assert first["jsonrpc"] == "2.0"
        assert first["params"]["from_mud"] == "Old Keep"
        assert first["params"]["timestamp"].endswith("Z")
        assert 0 < first["params"]["event_id"] < second["params"]["event_id"] < 2**53


async def test_a_client_that_says_where_it_stands_gets_what_follows_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()
        place.says("one", "two")
        client.leave()
        place.says("three", "four")

        back = Client(place.api)
        after = client.events[0]["params"]["event_id"]
        known = await back.ask("authenticate", api_key=place.key, after=after)
        await back.has_read(3)
        place.says("five")

        assert known["is_complete"] is True
        assert back.link.sent[0]["id"] == 1  # the answer comes before the first event
        assert back.texts == ["two", "three", "four", "five"]


async def test_a_client_that_does_not_say_gets_what_its_key_was_not_sent(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()
        place.says("one")
        client.leave()
        place.says("two")

        back = place.client()
        await back.has_read(1)
        beside = await place.client().listens()
        place.says("three")

        assert back.texts == ["two", "three"]
        assert beside.texts == ["three"]


async def test_what_was_missed_survives_a_restart_and_no_number_is_given_twice(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()
        place.says("one")
        last = client.events[-1]["params"]["event_id"]
        client.leave()
        place.says("two")
    async with opened(tmp_path) as place:
        place.says("three")
        back = place.client()
        await back.has_read(2)
        again = Client(place.api)
        await again.ask("authenticate", api_key=place.key, after=last)
        await again.has_read(2)

        assert [text for text in back.texts if text] == ["two", "three"]
        assert again.texts == ["two", "three"]
        numbers = [each["params"]["event_id"] for each in again.events]
        assert numbers == sorted(set(numbers))


async def test_a_slow_client_is_read_to_from_the_log_when_it_has_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        slow, quick = await place.client().listens(), await place.client().listens()
        count = limits.EVENTS_IN_MEMORY + limits.EVENTS_PAGE + 7

        slow.link.flowing.clear()
        place.says(*(str(n) for n in range(count)))
        await place.api.events.flush()
        assert slow.texts == []
        assert len(quick.texts) == count
        slow.link.flowing.set()
        await slow.has_read(count)
        place.says("last")

        assert slow.texts == [*(str(n) for n in range(count)), "last"]


async def test_a_client_is_told_when_the_log_no_longer_reaches_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EVENTS_KEPT", 20)
    monkeypatch.setattr(limits, "EVENTS_IN_MEMORY", 5)
    async with opened(tmp_path) as place:
        client = await place.client().listens()
        place.says("first")
        after = client.events[0]["params"]["event_id"]
        client.leave()
        for start in range(0, 60, 10):
            place.says(*(str(n) for n in range(start, start + 10)))
            await place.api.events.flush()

        back = Client(place.api)
        known = await back.ask("authenticate", api_key=place.key, after=after)
        await back.has_read(20)

        assert known["is_complete"] is False
        assert back.texts == [str(n) for n in range(60 - len(back.texts), 60)]
        assert 20 <= len(back.texts) <= 22
    async with opened(tmp_path) as place:
        known = await Client(place.api).ask("authenticate", api_key=place.key, after=after)
        assert known["is_complete"] is False


async def test_events_that_cannot_be_written_are_bounded_and_the_loss_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EVENTS_UNSTORED_MAX", 10)
    async with opened(tmp_path) as place:
        before = place.api.events.last

        place.says(*(str(n) for n in range(12)))  # before the writer has its turn

        assert place.api.events.dropped == 2
        known = await Client(place.api).ask("authenticate", api_key=place.key, after=before)
        assert known["is_complete"] is False


async def test_events_are_seen_with_the_permission_for_them(tmp_path: Path) -> None:
    async with opened(tmp_path, "channel") as place:
        client = await place.client().listens()

        place.says("not for you")
        place.gateway.happens(
            ChannelMessage(
                channel="ale", from_mud="Old Keep", from_user="bo", visname="Bo", message="for all"
            )
        )

        assert client.texts == ["for all"]


async def test_the_end_is_announced(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()

        place.api.close()

        assert client.events[-1]["method"] == "shutdown_warning"
        assert client.events[-1]["params"]["returns_in"] == 60
        assert client.link.closed is not None
        assert place.api.admit() > 0


async def test_a_key_that_is_made_twice_at_once_is_made_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        results = await asyncio.gather(
            *(place.api.keys.add("bot", ["tell"]) for _ in range(2)), return_exceptions=True
        )

        assert {type(each) for each in results} == {str, RpcError}
