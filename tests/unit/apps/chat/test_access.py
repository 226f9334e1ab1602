"""Who gets in: whoever has the token, from this machine, under this machine's name; nobody else, and nothing is told."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import httpx
import pytest

from holdfast.apps.chat import PageAccess, limits
from holdfast.apps.chat.errors import ChatError
from holdfast.errors import RateLimitError, ResilienceError
from holdfast.world import RealWorld
from tests.support.chat_desk import PageClient, a_desk, two_friends
from tests.support.links import ScriptedWorld

if TYPE_CHECKING:
    from pathlib import Path

ASKED = [
    ("GET", "/node/board"),
    ("GET", "/node/errors"),
    ("GET", "/node/figures"),
    ("GET", "/talks/?words=secret"),
    ("GET", "/talks/{bob}"),
    ("DELETE", "/talks/{bob}?through=1"),
    ("GET", "/contacts/{bob}/words"),
    ("DELETE", "/contacts/{bob}"),
    ("POST", "/identities"),
    ("POST", "/invitations"),
    ("POST", "/contacts"),
    ("POST", "/node/retry"),
    ("POST", "/files/{bob}"),
    ("PUT", "/files/file-00000001/0"),
    ("GET", "/files/{bob}/file-00000001"),
]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer guess"}]
)
async def test_without_its_token_the_program_tells_nothing(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """Threat model P23: every request without the token is refused before anything is read."""
    ada, _, to_bob, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        del desk.http.headers["authorization"]
        for method, path in ASKED:
            where = f"/api/chat{path.format(bob=to_bob)}"
            answer = await desk.http.request(method, where, headers=headers)
            assert answer.status_code in {401, 429}, (method, path)
            assert "Bob" not in answer.text
            assert desk.app.access.token not in answer.text
        assert to_bob in ada.known


async def test_a_session_without_the_token_is_refused(tmp_path: Path) -> None:
    """Threat model P23: a page without the token is not let in and shown nothing."""
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        for auth in ({}, {"token": ""}, {"token": "guess"}, {"token": desk.app.access.token + "x"}):
            page = PageClient(desk.hub)
            page.say({"t": "hello", "v": 1, "stream": "stream-a", "auth": auth})
            (answer,) = page.take()
            assert answer["t"] == "bye"
            assert answer["code"] in {12001, 12002}
        assert not desk.hub.sessions


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9", "127.0.0.1.evil.example", "192.0.2.1:9", ""]
)
async def test_a_name_that_was_bent_to_us_gets_nothing(tmp_path: Path, host: str) -> None:
    """Threat model P24: with the right token, but under a foreign name, everything is refused."""
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        for path in ("/api/chat/node/board", "/health", "/"):
            answer = await desk.http.get(path, headers={"Host": host})
            assert answer.status_code == 421
            assert "Bob" not in answer.text
        page = PageClient.__new__(PageClient)
        page.host = host
        page.__init__(desk.hub)  # type: ignore[misc]
        page.say(
            {"t": "hello", "v": 1, "stream": "stream-a", "auth": {"token": desk.app.access.token}}
        )
        (frame,) = page.take()
        assert frame["code"] == 12001


async def test_our_own_names_are_answered(tmp_path: Path) -> None:
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        for host in ("127.0.0.1:8123", "localhost:8123", "[::1]:8123", "localhost"):
            answer = await desk.http.get("/api/chat/node/board", headers={"Host": host})
            assert answer.status_code == 200


async def test_no_web_site_is_allowed_to_read_answers(tmp_path: Path) -> None:
    """Threat model P23: no answer names a foreign origin, also not to a preflight request."""
    ada, _, _, _ = await two_friends()
    async with a_desk(tmp_path, ada) as desk:
        foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for method in ("GET", "OPTIONS"):
            answer: httpx.Response = await desk.http.request(
                method, "/api/chat/node/board", headers=foreign
            )
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_wrong_tokens_are_counted_and_the_right_one_is_not_held_up(tmp_path: Path) -> None:
    access = PageAccess(tmp_path, ScriptedWorld())
    for _ in range(limits.TOKEN_TRIES):
        with pytest.raises(ChatError):
            access.require("guess")
    with pytest.raises(RateLimitError) as raised:
        access.require("guess")
    assert raised.value.retry_after is not None
    access.require(access.token)


def test_the_token_is_the_owners_alone_and_stays(tmp_path: Path) -> None:
    """Threat model P23: the file of the token can be read by its owner only."""
    first = PageAccess(tmp_path / "data", RealWorld())
    again = PageAccess(tmp_path / "data", RealWorld())
    assert first.token == again.token
    assert len(first.token) >= 32
    mode = (tmp_path / "data" / "page-token").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_damaged_token_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "page-token").write_text("\n")
    with pytest.raises(ResilienceError, match="page-token is empty"):
        PageAccess(tmp_path, RealWorld())
