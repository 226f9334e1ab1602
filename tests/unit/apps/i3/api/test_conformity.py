"""The API row by row as clients in the field know it: what each method takes and returns, each event, each code."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import METHODS, RpcCode
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.events import EVENTS
from tests.unit.apps.i3.api.test_api import Client, opened

if TYPE_CHECKING:
    from pathlib import Path

WHO = {"target_mud": "Old Keep", "target_user": "bo"}
SENT = {"status": "sent", "message_id": "m1"}
MUD = {"mud_name": "Old Keep"}

ROWS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("tell", {**WHO, "message": "hi"}, SENT),
    ("tell", {**WHO, "message": "hi", "from_user": "ann", "visname": "Ann"}, SENT),
    ("emoteto", {**WHO, "emote": "$N nods"}, SENT),
    ("emoteto", {**WHO, "message": "$N nods"}, SENT),
    ("beep", WHO, SENT),
    ("channel_send", {"channel": "ale", "message": "hi"}, SENT),
    ("channel_send", {"channel": "ale", "message": "hi", "from_user": "a", "visname": "A"}, SENT),
    ("channel_emote", {"channel": "ale", "emote": "$N nods"}, SENT),
    ("channel_emote", {"channel": "ale", "message": "$N nods"}, SENT),
    ("channel_emote", {"channel": "ale", "emote": "$N nods to $O", **WHO}, SENT),
    ("channel_join", {"channel": "ale"}, {"status": "joined", "channel": "ale"}),
    ("channel_join", {"channel": "ale", "listen_only": True, "user_name": "ann"},
     {"status": "joined", "channel": "ale"}),
    ("channel_leave", {"channel": "ale"}, {"status": "left", "channel": "ale"}),
    ("channel_who", {"channel": "ale"},
     {"status": "success", "channel": "ale", "members": ["bo@Old Keep"]}),
    ("channel_add", {"channel": "ale"}, {"status": "requested", "channel": "ale"}),
    ("channel_remove", {"channel": "ale"}, {"status": "requested", "channel": "ale"}),
    ("channel_admit", {"channel": "ale", "add": ["Gone"]}, {"status": "requested", "channel": "ale"}),
    ("channel_ban", {"channel": "ale", "remove": ["Gone"]}, {"status": "requested", "channel": "ale"}),
    ("who", {"target_mud": "Old Keep"}, {"status": "requested", **MUD}),
    ("who", {"target_mud": "Old Keep", "from_user": "ann", "filters": {"race": "elf"}},
     {"status": "requested", **MUD}),
    ("finger", {**WHO, "from_user": "ann"}, {"status": "requested", **MUD, "user_name": "bo"}),
    ("locate", {"target_user": "bo"}, {"status": "requested", "user_name": "bo"}),
    ("presence_sync", {"users": [{"name": "ann", "title": "t", "race": "elf", "guild": "g", "location": "l",
      "status": "s", "level": 7, "idle": 3, "login_time": "today"}]},
     {"status": "synchronized", "mud_name": "Harbour", "count": 1}),
    ("file_list", {"target_mud": "Old Keep", "directory": "", "from_user": "ann"},
     {"status": "success", **MUD, "count": 2, "files": [
         {"name": "maps", "size": -1, "changed": 1_700_000_000},
         {"name": "hello", "size": 11, "changed": 1_700_000_001}]}),
    ("file_get", {"target_mud": "Old Keep", "name": "hello"},
     {"status": "success", **MUD, "name": "hello", "contents": "hello\nworld"}),
    ("file_put", {"target_mud": "Old Keep", "name": "new", "contents": "x"},
     {"status": "success", **MUD, "name": "new"}),
    ("mail_send", {"to": [{"mud": "Old Keep", "user": "bo"}], "cc": [{"user": "cy"}], "subject": "s", "body": "b"},
     {"status": "queued", "mail_id": 1_700_000_000}),
    ("mail_send", {"to": [], "bcc": [{"mud": "Old Keep", "user": "bo"}], "subject": "", "body": "", "from_user": "ann"},
     {"status": "queued", "mail_id": 1_700_000_000}),
    ("mail_list", {"user": "ann", "after": 6, "limit": 100},
     {"status": "success", "user": "ann", "count": 1, "mails": [
         {"mail_id": 7, "timestamp": "2023-11-14T22:13:20.500Z", "from_mud": "Old Keep", "from_user": "bo",
          "subject": "s", "size": 1}]}),
    ("mail_read", {"mail_id": 7},
     {"status": "success", "mail_id": 7, "timestamp": "2023-11-14T22:13:20.500Z", "written": 1_699_999_999,
      "from_mud": "Old Keep", "from_user": "bo", "to": [{"mud": "Harbour", "user": "ann"}], "cc": [],
      "users": ["ann", "cy"], "subject": "s", "body": "b"}),
    ("mail_delete", {"mail_id": 7, "user": "ann"}, {"status": "deleted", "mail_id": 7, "count": 1}),
    ("news_groups", {"target_mud": "Old Keep"},
     {"status": "success", **MUD, "count": 1, "groups": [{"group": "lpc", "first": 1, "last": 3}]}),
    ("news_groups", {},
     {"status": "success", "mud_name": "Harbour", "count": 1, "groups": [{"group": "lpc", "first": 1, "last": 3}]}),
    ("news_read", {"target_mud": "Old Keep", "group": "lpc", "post_id": 3, "from_user": "ann"},
     {"status": "success", **MUD, "group": "lpc", "post_id": 3, "posted": 1_700_000_000, "thread": 1, "subject": "s",
      "poster": "bo@Old Keep", "text": "t"}),
    ("news_post", {"target_mud": "Old Keep", "group": "lpc", "subject": "s", "text": "t", "thread": 1},
     {"status": "success", **MUD, "group": "lpc", "post_id": 4}),
    ("reconnect", {}, {"status": "reconnecting"}),
)  # fmt: skip
"""Method, params, and the whole result."""

SHAPES: dict[str, set[str]] = {
    "authenticate": {"status", "mud_name", "session_id", "event_id", "is_complete"},
    "channel_list": {"status", "channels", "count", "subscribed_channels"},
    "channel_history": {"status", "channel", "messages", "count"},
    "mudlist": {"status", "muds", "count"},
    "ping": {"pong", "timestamp"},
    "heartbeat": {"status", "timestamp"},
    "status": {"connected", "mud_name", "session_id", "uptime"},
    "stats": {"mud_count", "online_muds", "channel_count", "session_count", "mudlist_id", "chanlist_id",
              "gateway_connected", "packets_sent", "packets_received"},
    "key_list": {"keys"},
    "rpc.discover": {"openrpc", "info", "methods", "components", "x-events"},
}  # fmt: skip
"""Method → fields of the result, where its values are not always the same."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "authenticate": ("api_key",),
    "tell": ("target_mud", "target_user", "message"),
    "emoteto": ("target_mud", "target_user"),
    "beep": ("target_mud", "target_user"),
    "channel_send": ("channel", "message"),
    "channel_emote": ("channel",),
    "channel_join": ("channel",),
    "channel_leave": ("channel",),
    "channel_who": ("channel",),
    "channel_history": ("channel",),
    "channel_add": ("channel",),
    "channel_remove": ("channel",),
    "channel_admit": ("channel",),
    "channel_ban": ("channel",),
    "who": ("target_mud",),
    "finger": ("target_mud", "target_user"),
    "locate": ("target_user",),
    "file_list": ("target_mud",),
    "file_get": ("target_mud", "name"),
    "file_put": ("target_mud", "name", "contents"),
    "mail_send": ("to", "subject", "body"),
    "mail_list": ("user",),
    "mail_read": ("mail_id",),
    "mail_delete": ("mail_id",),
    "news_read": ("group", "post_id"),
    "news_post": ("group", "subject", "text"),
    "presence_sync": ("users",),
    "key_add": ("name",),
    "key_revoke": ("name",),
}

HEARD = {"from_mud", "from_user", "visname", "message"}
EVENT_FIELDS: dict[str, set[str]] = {
    "tell_received": {*HEARD, "to_user"},
    "emoteto_received": {*HEARD, "to_user"},
    "channel_message": {*HEARD, "channel"},
    "channel_emote": {*HEARD, "channel"},
    "who_reply": {"from_mud", "users"},
    "finger_reply": {"from_mud", "visname", "title", "email", "login_time", "idle", "level"},
    "locate_reply": {"located_mud", "located_user", "idle", "status"},
    "error_occurred": {"error", "message"},
    "gateway_reconnected": set(),
    "mud_online": {"mud_name"},
    "mud_offline": {"mud_name"},
    "channel_joined": {"channel"},
    "channel_left": {"channel"},
    "user_joined_channel": {"channel", "mud_name", "user_name"},
    "user_left_channel": {"channel", "mud_name", "user_name"},
    "shutdown_warning": {"returns_in"},
    "rate_limit_warning": {"message"},
    "mail_received": {"from_mud", "from_user", "to_users", "subject", "mail_id"},
}
"""Event → fields that clients look for; there may be more."""


@pytest.mark.parametrize(("method", "params", "result"), ROWS)
async def test_a_method_takes_and_returns_what_clients_expect(
    tmp_path: Path, method: str, params: dict[str, Any], result: dict[str, Any]
) -> None:
    async with opened(tmp_path) as place:
        assert await place.client().ask(method, **params) == result

        assert len(place.gateway.asked) == (method != "presence_sync")


@pytest.mark.parametrize("method", SHAPES)
async def test_a_result_has_the_fields_that_clients_expect(tmp_path: Path, method: str) -> None:
    params = {"authenticate": {"api_key": ""}, "channel_history": {"channel": "ale"}}
    async with opened(tmp_path) as place:
        given = {**params.get(method, {})}
        if "api_key" in given:
            given["api_key"] = place.key

        assert set(await place.client().ask(method, **given)) == SHAPES[method]


async def test_rows_of_lists_have_the_fields_that_clients_expect(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        await client.ask("channel_join", channel="ale")

        channels = await client.ask("channel_list", refresh=True)
        muds = await client.ask("mudlist", refresh=True)
        history = await client.ask("channel_history", channel="ale", limit=100, before=9, after=1)

        assert channels["channels"] == [
            {"name": "ale", "owner": "Old Keep", "type": 0, "member_count": 0}
        ]
        assert channels["subscribed_channels"] == ["ale"]
        assert set(muds["muds"][0]) == {
            "name", "host", "port", "tcp_port", "udp_port", "driver", "mudlib", "mud_type", "status",
            "services", "open_status", "admin_email",
        }  # fmt: skip
        assert {*HEARD, "timestamp", "line_id"} <= set(history["messages"][0])
        assert place.gateway.asked[-1] == ("history", "ale", 100, 9, 1)


def test_every_method_has_its_row() -> None:
    rows = {method for method, _, _ in ROWS} | set(SHAPES) | {"key_add", "key_revoke"}

    assert rows == set(METHODS), "key_add and key_revoke are tested beside keys"


@pytest.mark.parametrize("method", REQUIRED)
async def test_a_param_that_is_missing_is_named(tmp_path: Path, method: str) -> None:
    values: dict[str, Any] = {
        "users": [],
        "to": [],
        "mail_id": 7,
        "post_id": 3,
        **dict.fromkeys(REQUIRED["tell"], "x"),
    }
    async with opened(tmp_path) as place:
        client = place.client()
        for missing in REQUIRED[method]:
            given = {name: values.get(name, "x") for name in REQUIRED[method] if name != missing}

            error = await client.ask(method, **given)

            assert error["code"] == RpcCode.INVALID_PARAMS
            assert error["data"]["param"] == missing
            assert missing in error["message"]


async def test_a_method_without_params_takes_none_and_methods_with_them_are_all_here(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        for name in set(METHODS) - set(REQUIRED):
            answer = await client.ask(name)
            assert "code" not in answer, name


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tell", {**WHO, "message": 5}, "message"),
        ("tell", {**WHO, "target_mud": "", "message": "x"}, "target_mud"),
        ("tell", {**WHO, "message": "x" * (limits.TEXT_BYTES_MAX + 1)}, "message"),
        ("channel_join", {"channel": "ale", "listen_only": "yes"}, "listen_only"),
        ("channel_history", {"channel": "ale", "limit": 101}, "limit"),
        ("channel_history", {"channel": "ale", "limit": 0}, "limit"),
        ("mudlist", {"filter": {"status": "sideways"}}, "filter"),
        ("channel_list", {"filter": {"min_members": "many"}}, "filter"),
        ("channel_add", {"channel": "ale", "type": 9}, "type"),
        ("mail_send", {"to": [{"mud": "Old Keep"}], "subject": "s", "body": "b"}, "user"),
        ("mail_send", {"to": [{"user": "bo"}] * 101, "subject": "s", "body": "b"}, "to"),
        ("mail_send", {"to": [], "subject": "s" * 257, "body": "b"}, "subject"),
        ("mail_send", {"to": [], "subject": "s", "body": "b" * (64 * 1024 + 1)}, "body"),
        ("mail_list", {"user": "ann", "limit": 101}, "limit"),
        ("mail_list", {"user": "ann", "after": -1}, "after"),
        ("mail_read", {"mail_id": 2**63}, "mail_id"),
        ("news_read", {"group": "lpc", "post_id": -1}, "post_id"),
        ("news_post", {"group": "", "subject": "s", "text": "t"}, "group"),
    ],
)
async def test_a_param_that_is_wrong_is_named_and_is_no_internal_error(
    tmp_path: Path, method: str, params: dict[str, Any], name: str
) -> None:
    async with opened(tmp_path) as place:
        error = await place.client().ask(method, **params)

        assert error["code"] == RpcCode.INVALID_PARAMS
        assert error["data"]["param"].partition(".")[0] == name
        assert place.gateway.asked == []


# --- events ---------------------------------------------------------------------------------------


def test_every_event_that_clients_know_exists_with_its_fields() -> None:
    events = {event.method: event for event in EVENTS}

    assert set(EVENT_FIELDS) <= set(events)
    for method, fields in EVENT_FIELDS.items():
        assert fields <= {each.name for each in msgspec.structs.fields(events[method])}, method


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.method)
async def test_every_event_is_a_notification_with_number_and_time(
    tmp_path: Path, kind: type[Any]
) -> None:
    given = {
        each.name: {"str": "x", "int": 1, "float": 1.0, "bool": True}.get(str(each.type.__name__), ())
        for each in msgspec.structs.fields(kind)
        if each.required
    }  # fmt: skip
    async with opened(tmp_path) as place:
        client = await place.client().listens()

        place.gateway.happens(kind(**given))

        (got,) = client.events
        assert (got["jsonrpc"], got["method"]) == ("2.0", kind.method)
        assert "id" not in got
        fields = {each.name for each in msgspec.structs.fields(kind)}
        assert set(got["params"]) == {*fields, "event_id", "timestamp"}


# --- codes ----------------------------------------------------------------------------------------


async def test_every_code_is_answered_where_clients_expect_it(tmp_path: Path) -> None:
    async with opened(tmp_path, "tell", "status", status=(0.001, 1)) as place:
        seen: dict[str, int] = {}
        stranger, client = Client(place.api), place.client()
        tell = {**WHO, "message": "."}

        seen["not authenticated"] = (await stranger.ask("tell", **tell))["code"]
        seen["method not found"] = (await client.ask("fly"))["code"]
        seen["invalid params"] = (await client.ask("tell"))["code"]
        seen["permission denied"] = (await client.ask("reconnect"))["code"]
        await client.ask("status")
        seen["rate limit exceeded"] = (await client.ask("status"))["code"]
        place.gateway.fails_with = I3Error(I3Code.QUEUE_FULL, "Too much waits.")
        seen["gateway error"] = (await client.ask("tell", **tell))["code"]
        place.gateway.fails_with = ZeroDivisionError()
        seen["internal"] = (await client.ask("tell", **tell))["code"]
        place.api.received(client.session, b"{nonsense")
        seen["parse"] = client.link.sent[-1]["error"]["code"]
        place.api.received(client.session, b'{"jsonrpc":"1.0","method":"ping","id":1}')
        seen["invalid request"] = client.link.sent[-1]["error"]["code"]
        await place.api.keys.revoke(next(iter(place.api.keys.by_name)))
        seen["session expired"] = (await client.ask("ping"))["code"]

    assert seen == {
        "parse": -32700,
        "invalid request": -32600,
        "method not found": -32601,
        "invalid params": -32602,
        "internal": -32603,
        "not authenticated": -32000,
        "rate limit exceeded": -32001,
        "permission denied": -32002,
        "session expired": -32003,
        "gateway error": -32004,
    }
    assert set(seen.values()) == {int(code) for code in RpcCode}


async def test_with_a_revoked_key_nothing_is_sent_and_nothing_is_heard(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = await place.client().listens()
        await place.api.keys.revoke("mud")

        refused = await client.ask("tell", **WHO, message=".")
        place.says("a secret")
        again = await client.ask("authenticate", api_key=place.key)

        assert refused["code"] == again["code"] == RpcCode.SESSION_EXPIRED
        assert client.texts == []
        assert place.gateway.asked == []


# --- batches --------------------------------------------------------------------------------------


async def test_a_batch_is_done_in_order_and_answered_in_one_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        client = place.client()
        calls = [
            {"jsonrpc": "2.0", "method": "tell", "params": {**WHO, "message": str(n)}, "id": n}
            for n in range(5)
        ]
        silent = {"jsonrpc": "2.0", "method": "tell", "params": {**WHO, "message": "5"}}
        wrong = {"jsonrpc": "2.0", "method": "fly", "id": "f"}
        answers: list[Any] = []
        client.link.send = lambda packet: answers.append(json.loads(packet.payload))  # type: ignore[method-assign]

        place.api.received(client.session, json.dumps([*calls, silent, wrong, 7]).encode())
        while not answers:
            await asyncio.sleep(0)

        (answer,) = answers
        by_id = {each["id"]: each for each in answer}
        assert set(by_id) == {0, 1, 2, 3, 4, "f", None}
        assert by_id["f"]["error"]["code"] == RpcCode.METHOD_NOT_FOUND
        assert by_id[None]["error"]["code"] == RpcCode.INVALID_REQUEST
        while len(place.gateway.asked) < 6:
            await asyncio.sleep(0)
        assert [each[3] for each in place.gateway.asked] == [str(n) for n in range(6)]
