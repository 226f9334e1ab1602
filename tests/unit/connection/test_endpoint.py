"""Where a peer can be reached, and in which order."""

from __future__ import annotations

import socket

import pytest

from holdfast.connection import Endpoint
from holdfast.connection.endpoint import Candidate, Choice, interleaved

FOUR, SIX = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    "url", ["", "host:1", "tcp://host", "http://host:80", "ws://:80", "tls://h"]
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no endpoint"):
        Endpoint(url)


def test_parts_of_an_endpoint() -> None:
    assert (Endpoint("wss://a.example/x").port, Endpoint("ws://a").port) == (443, 80)
    assert Endpoint("tls://[::1]:5").host == "::1"
    assert Endpoint("tls://a:5").is_tls
    assert not Endpoint("tcp://a:5").is_websocket


def test_families_take_turns() -> None:
    found = [(FOUR, "4a"), (FOUR, "4b"), (SIX, "6a"), (FOUR, "4a"), (FOUR, "4c")]
    assert interleaved(found) == ["6a", "4a", "4b", "4c"]


def test_what_failed_goes_to_the_end_and_what_is_near_comes_first() -> None:
    endpoint = Endpoint("tcp://gate:1")
    a, b, c = candidates = [Candidate(endpoint, address) for address in ("a", "b", "c")]
    choice = Choice()
    assert choice.next(candidates) == a
    assert choice.failed(a, candidates)
    assert choice.next(candidates) == b
    assert choice.failed(b, candidates)
    assert choice.next(candidates) == c
    assert not choice.failed(c, candidates), "all were tried: the round is over"
    choice.worked(b)
    choice.measured(b, 0.050)
    assert choice.next(candidates) == b
    choice.worked(c)
    choice.measured(c, 0.010)
    assert choice.next(candidates) == c
    assert str(a) == "a:1"
    assert str(Candidate(endpoint, "::1")) == "[::1]:1"
