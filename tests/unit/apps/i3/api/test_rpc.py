"""JSON-RPC 2.0: what its specification says, and what nobody should send."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import rpc
from holdfast.apps.i3.api.rpc import RpcCode, RpcError


def call(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


def refused(message: bytes) -> tuple[int, Any]:
    calls, answers = rpc.read(message)
    assert calls == []
    (answer,) = (json.loads(each) for each in answers)
    return answer["error"]["code"], answer["id"]


def test_a_call_is_answered_with_its_id() -> None:
    (found,), answers = rpc.read(call(method="ping", id="a"))

    assert answers == []
    assert json.loads(found.result({"pong": True}) or b"") == {
        "jsonrpc": "2.0",
        "result": {"pong": True},
        "id": "a",
    }


def test_a_notification_is_never_answered() -> None:
    (found,), _ = rpc.read(call(method="ping"))

    assert found.result({}) is None
    assert found.error(RpcError(RpcCode.INTERNAL_ERROR, "no")) is None


def test_an_id_that_is_null_is_an_id() -> None:
    (found,), _ = rpc.read(call(method="ping", id=None))

    assert json.loads(found.result(1) or b"")["id"] is None


@pytest.mark.parametrize(
    ("message", "code", "of"),
    [
        (b"{", RpcCode.PARSE_ERROR, None),
        (b"", RpcCode.PARSE_ERROR, None),
        (b"\xff\xfe", RpcCode.PARSE_ERROR, None),
        (b'{"jsonrpc":"2.0","method":"a\xff","id":1}', RpcCode.PARSE_ERROR, None),
        (b"[1,", RpcCode.PARSE_ERROR, None),
        (b"[]", RpcCode.INVALID_REQUEST, None),
        (b"3", RpcCode.INVALID_REQUEST, None),
        (b'{"jsonrpc":"1.0","method":"a","id":4}', RpcCode.INVALID_REQUEST, 4),
        (b'{"method":"a","id":4}', RpcCode.INVALID_REQUEST, 4),
        (b'{"jsonrpc":"2.0","method":1,"id":"x"}', RpcCode.INVALID_REQUEST, "x"),
        (b'{"jsonrpc":"2.0","method":"a","params":3,"id":4}', RpcCode.INVALID_REQUEST, 4),
        (b'{"jsonrpc":"2.0","method":"a","id":true}', RpcCode.INVALID_REQUEST, None),
        (b'{"jsonrpc":"2.0","method":"a","id":[1]}', RpcCode.INVALID_REQUEST, None),
        (b"[" * 100_000, RpcCode.PARSE_ERROR, None),
        (b'{"a":' * 50_000, RpcCode.PARSE_ERROR, None),
    ],
)
def test_what_is_no_request_is_answered_by_the_book(message: bytes, code: int, of: object) -> None:
    assert refused(message) == (code, of)


def test_the_answers_of_a_batch_leave_together_when_the_last_is_there() -> None:
    parts = [call(method="a", id=1), call(method="b"), b"1", call(method="c", id=2)]

    (first, told, last), answers = rpc.read(b"[" + b",".join(parts) + b"]")

    assert answers == []
    assert last.result("two") is None
    assert told.result(None) is None
    whole = json.loads(first.result("one") or b"")
    assert {(each["id"], each.get("result")) for each in whole} == {
        (None, None),
        (1, "one"),
        (2, "two"),
    }


def test_a_batch_in_which_nothing_wants_an_answer_has_none() -> None:
    (one, two), answers = rpc.read(b"[" + call(method="a") + b"," + call(method="b") + b"]")

    assert (one.result(1), two.result(2), answers) == (None, None, [])


def test_a_batch_of_what_is_no_request_is_answered_at_once() -> None:
    calls, (answer,) = rpc.read(b"[1,2]")

    assert calls == []
    assert [each["error"]["code"] for each in json.loads(answer)] == [RpcCode.INVALID_REQUEST] * 2


def test_a_batch_has_a_bound() -> None:
    most = b"[" + b",".join([call(method="a", id=1)] * limits.API_BATCH_MAX) + b"]"
    more = b"[" + b",".join([call(method="a", id=1)] * (limits.API_BATCH_MAX + 1)) + b"]"

    assert len(rpc.read(most)[0]) == limits.API_BATCH_MAX
    assert refused(more) == (RpcCode.INVALID_REQUEST, None)


class Given(msgspec.Struct):
    target_mud: Annotated[str, msgspec.Meta(min_length=1)]
    level: int = 0


@pytest.mark.parametrize("params", [b'{"target_mud":"Keep","level":3,"more":1}', b'["Keep",3]'])
def test_params_come_by_name_or_by_place(params: bytes) -> None:
    assert rpc.Params(Given).read(params) == Given("Keep", 3)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (b"{}", "target_mud"),
        (b'{"target_mud":""}', "target_mud"),
        (b'{"target_mud":"a","level":"x"}', "level"),
        (b'["a","x"]', "level"),
        (b"[]", "target_mud"),
    ],
)
def test_wrong_params_are_named(params: bytes, name: str) -> None:
    with pytest.raises(RpcError, match=name) as caught:
        rpc.Params(Given).read(params)

    assert caught.value.code is RpcCode.INVALID_PARAMS
    assert caught.value.data == {"param": name}


@pytest.mark.parametrize("params", [b'["a",1,2]', b'{"target_mud":' + b"[" * 50_000, b"[" * 50_000])
def test_params_that_cannot_be_are_refused(params: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        rpc.Params(Given).read(params)

    assert caught.value.code is RpcCode.INVALID_PARAMS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_calls_or_answers(message: bytes) -> None:
    calls, answers = rpc.read(message)

    assert calls or answers
    for answer in answers:
        json.loads(answer)


@given(st.lists(st.one_of(st.integers(0, 9), st.none(), st.just("none")), min_size=1, max_size=20))
def test_every_call_of_a_batch_is_answered_once(ids: list[Any]) -> None:
    parts = [call(method="a") if of == "none" else call(method="a", id=of) for of in ids]

    calls, _ = rpc.read(b"[" + b",".join(parts) + b"]")
    sent = [answer for each in calls if (answer := each.result(1)) is not None]

    wanted = [of for of in ids if of != "none"]
    assert len(sent) == (1 if wanted else 0)
    if sent:
        assert [each["id"] for each in json.loads(sent[0])] == wanted
