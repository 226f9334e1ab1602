"""The numbers of errors stay what they are."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.apps.i3.errors import Fault, I3Code, I3Error, PacketError
from holdfast.errors import ErrorCode


def test_codes_of_errors_are_stable() -> None:
    golden = json.loads((Path(__file__).parent / "error_codes.json").read_text())
    assert {code.name: int(code) for code in I3Code} == golden
    assert not set(map(int, I3Code)) & set(map(int, ErrorCode))


def test_an_error_says_when_to_try_again() -> None:
    error = I3Error(I3Code.ROUTER_AWAY, "The router is away.", retry_after=2.5, mud="Old Keep")
    described = error.to_dict()
    assert described["code"] == 11010
    assert described["retry_after"] == 2.5
    assert described["details"] == {"mud": "Old Keep"}


def test_a_bad_packet_knows_the_word_for_it() -> None:
    assert PacketError("x").code is I3Code.PACKET_INVALID
    assert PacketError("x").fault == "bad-pkt"
    assert PacketError("x", fault=Fault.UNKNOWN_TYPE).code is I3Code.PACKET_UNKNOWN
