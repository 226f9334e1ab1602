"""JSON-RPC 2.0, without a socket: what a message asks for, and what is answered.

Theory. A message is one call or a batch of them. ``read`` makes calls of it, or answers for what is none;
a call is answered once, unless it is a notification, and the answers of a batch leave together, when the last one
is there. A batch in which nothing wants an answer has none. Params may come by name or by place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.apps.i3 import limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Id = int | float | str | None


class RpcCode(IntEnum):
    """Codes of errors on the wire; those above -32100 are the gateway's."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    NOT_AUTHENTICATED = -32000
    RATE_LIMIT_EXCEEDED = -32001
    PERMISSION_DENIED = -32002
    SESSION_EXPIRED = -32003
    GATEWAY_ERROR = -32004


class RpcError(Exception):
    """A call that is answered with an error.

    Args:
        code: of the protocol.
        message: for a person.
        data: values that belong to it, JSON-safe; None for none.
    """

    def __init__(
        self, code: RpcCode, message: str, data: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class _Request(msgspec.Struct):
    jsonrpc: str
    method: str
    params: msgspec.Raw = msgspec.Raw()
    id: Id | msgspec.UnsetType = msgspec.UNSET


class _Answer(msgspec.Struct):
    jsonrpc: str
    result: object
    id: Id


class _Fault(msgspec.Struct, omit_defaults=True):
    code: int
    message: str
    data: Mapping[str, object] | None = None


class _Refused(msgspec.Struct):
    jsonrpc: str
    error: _Fault
    id: Id


class _Notification(msgspec.Struct):
    jsonrpc: str
    method: str
    params: object


@dataclass(slots=True)
class Batch:
    """The calls that came in one message, and their answers."""

    pending: int = 0
    answers: list[bytes] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Call:
    """One call.

    Attributes:
        method: its name, as it came.
        params: as they came, as JSON; an empty object when there are none.
        id: to be repeated; unset for a notification, which is not answered.
        batch: it came in; None when it came alone.
    """

    method: str
    params: bytes
    id: Id | msgspec.UnsetType
    batch: Batch | None = None

    def result(self, value: object) -> bytes | None:
        """Answer; return what is to be sent now, None when nothing is (yet)."""
        if self.id is msgspec.UNSET:
            return self._given(None)
        assert not isinstance(self.id, msgspec.UnsetType)
        return self._given(_encode(_Answer("2.0", value, self.id)))

    def error(self, error: RpcError) -> bytes | None:
        """Answer with an error; as ``result``."""
        if isinstance(self.id, msgspec.UnsetType):
            return self._given(None)
        return self._given(refusal(error, self.id))

    def _given(self, answer: bytes | None) -> bytes | None:
        batch = self.batch
        if batch is None:
            return answer
        if answer is not None:
            batch.answers.append(answer)
        batch.pending -= 1
        if batch.pending or not batch.answers:
            return None
        return b"[" + b",".join(batch.answers) + b"]"


_decode_request: Final = msgspec.json.Decoder(_Request).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BLANK: Final = b" \t\r\n"
_AT: Final = re.compile(r"`\$\.(\w+)|`\$\[\.\.\.\]\.(\w+)|field `(\w+)`")


def read(message: bytes) -> tuple[list[Call], list[bytes]]:
    """Read a message.

    Returns:
        The calls, in order, and what is to be sent at once for what is none.
    """
    if message.lstrip(_BLANK)[:1] != b"[":
        found = _one(message)
        return ([found], []) if isinstance(found, Call) else ([], [found])
    try:
        parts = _decode_list(message)
    except _UNREADABLE:
        return [], [refusal(_unreadable(), None)]
    if not parts:
        return [], [refusal(RpcError(RpcCode.INVALID_REQUEST, "The batch is empty."), None)]
    if len(parts) > limits.API_BATCH_MAX:
        text = f"A batch has at most {limits.API_BATCH_MAX} calls, this one {len(parts)}."
        return [], [refusal(RpcError(RpcCode.INVALID_REQUEST, text), None)]
    return _batched(parts)


def _batched(parts: Sequence[msgspec.Raw]) -> tuple[list[Call], list[bytes]]:
    batch = Batch()
    calls = []
    for part in parts:
        found = _one(bytes(part))
        if isinstance(found, Call):
            found.batch = batch
            batch.pending += 1
            calls.append(found)
        else:
            batch.answers.append(found)
    if calls:
        return calls, []
    return [], [b"[" + b",".join(batch.answers) + b"]"]


def _one(message: bytes) -> Call | bytes:
    """Make a call of one object, or the answer to what is none."""
    try:
        request = _decode_request(message)
    except msgspec.ValidationError:
        return _misshapen(message)
    except _UNREADABLE:
        return refusal(_unreadable(), None)
    params = bytes(request.params) or b"{}"
    if request.jsonrpc != "2.0" or params[0] not in b"{[":
        return _misshapen(message)
    return Call(request.method, params, request.id)


def _misshapen(message: bytes) -> bytes:
    """Answer what is JSON and no request, with its id if that can be made out."""
    try:
        found = _decode_any(message)
    except _UNREADABLE:
        return refusal(_unreadable(), None)
    of = found.get("id") if isinstance(found, dict) else None
    given = of if isinstance(of, int | float | str) and not isinstance(of, bool) else None
    text = 'This is no request: give "jsonrpc":"2.0", a method and, by name or place, params.'
    return refusal(RpcError(RpcCode.INVALID_REQUEST, text), given)


def _unreadable() -> RpcError:
    return RpcError(RpcCode.PARSE_ERROR, "This is no JSON.")


def refusal(error: RpcError, of: Id) -> bytes:
    """Make the answer that is an error."""
    return _encode(_Refused("2.0", _Fault(int(error.code), error.message, error.data), of))


def notification(method: str, params: object) -> bytes:
    """Make a notification."""
    return _encode(_Notification("2.0", method, params))


class Params:
    """Reads the params of one method.

    Args:
        of: the struct that they are.
    """

    def __init__(self, of: type[msgspec.Struct]) -> None:
        self.type = of
        self._decode = msgspec.json.Decoder(of).decode
        self._names = [each.encode_name for each in msgspec.structs.fields(of)]

    def read(self, params: bytes) -> Any:
        """Read params by name or by place.

        Raises:
            RpcError: -32602, with the name of the param.
        """
        try:
            if params[:1] == b"[":
                return self._by_place(params)
            return self._decode(params)
        except msgspec.ValidationError as error:
            raise _wrong(error) from error
        except _UNREADABLE as error:
            raise RpcError(RpcCode.INVALID_PARAMS, "The params cannot be read.") from error

    def _by_place(self, params: bytes) -> Any:
        values = _decode_list(params)
        if len(values) > len(self._names):
            text = f"There are at most {len(self._names)} params, not {len(values)}."
            raise RpcError(RpcCode.INVALID_PARAMS, text)
        named = dict(zip(self._names, values, strict=False))
        return self._decode(_encode(named))


def _wrong(error: msgspec.ValidationError) -> RpcError:
    text = str(error)
    found = _AT.search(text)
    name = next((each for each in found.groups() if each), "") if found else ""
    what = f"The param {name!r} is wrong: {text}." if name else f"The params are wrong: {text}."
    return RpcError(RpcCode.INVALID_PARAMS, what, {"param": name} if name else None)
