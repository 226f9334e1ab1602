"""What a data folder says about its node, where the page listens, and how it is opened."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from holdfast.apps.chat import app_window, limits
from holdfast.apps.chat.demo import DemoGateways
from holdfast.apps.chat.errors import ChatError
from holdfast.apps.chat.profile import Profile, read_profile, write_profile
from holdfast.apps.chat.window import open_port
from holdfast.cli.chat_page import passphrase_for, profile_of
from holdfast.errors import ResilienceError
from holdfast.mailbox import GatewayAddress
from holdfast.node import Mode

if TYPE_CHECKING:
    from pathlib import Path

GATEWAYS = [str(GatewayAddress("gateway.example", 8410 + n, bytes([n]) * 32)) for n in range(3)]


def test_what_the_command_line_says_is_kept(tmp_path: Path) -> None:
    given = profile_of(tmp_path, [*GATEWAYS, GATEWAYS[0]], "direct", None)
    assert given == Profile(gateways=GATEWAYS, mode=Mode.DIRECT)
    assert profile_of(tmp_path, None, None, None) == given
    changed = profile_of(tmp_path, None, "tor", "127.0.0.1:9050")
    assert changed == Profile(gateways=GATEWAYS, mode=Mode.TOR, proxy="127.0.0.1:9050")
    assert read_profile(tmp_path) == changed


def test_without_a_gateway_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ResilienceError, match="holdfast chat demo"):
        profile_of(tmp_path, None, None, None)


def test_tor_is_sought_where_it_usually_is_until_another_place_is_named(tmp_path: Path) -> None:
    profile = profile_of(tmp_path, GATEWAYS[:1], "tor", None)
    assert profile.settings().through.proxy == "socks5://127.0.0.1:9050"
    profile = profile_of(tmp_path, None, None, "[::1]:9150")
    assert profile.settings().through.proxy == "socks5://[::1]:9150"
    with pytest.raises(ValueError, match="host:port, such as 127"):
        profile_of(tmp_path, None, None, "9150")
    assert read_profile(tmp_path) == profile


@pytest.mark.parametrize(
    ("gateways", "mode"),
    [(GATEWAYS[:1], "two_hop"), (GATEWAYS, "carrier pigeon"), (["x"], "direct")],
)
def test_what_makes_no_node_is_not_kept(tmp_path: Path, gateways: list[str], mode: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        profile_of(tmp_path, gateways, mode, None)
    assert read_profile(tmp_path) == Profile()


@pytest.mark.parametrize("text", ["", "[]", '{"gateways": 1}', '{"mood": 1}', '{"mode": "x"}'])
def test_a_damaged_profile_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "chat.json").write_text(text)
    with pytest.raises(ResilienceError, match=r"chat\.json can not be read"):
        read_profile(tmp_path)


def test_more_gateways_than_the_bound_are_refused(tmp_path: Path) -> None:
    write_profile(tmp_path, Profile(gateways=["x"] * (limits.GATEWAYS_MAX + 1)))
    with pytest.raises(ResilienceError):
        read_profile(tmp_path)


def test_the_page_comes_back_on_its_port_and_on_this_machine_only(tmp_path: Path) -> None:
    """Threat model P24: the page's port is opened on 127.0.0.1."""
    with open_port(tmp_path, None) as first:
        host, port = first.getsockname()
        assert host == "127.0.0.1"
        first.listen()
        with open_port(tmp_path, None) as other:
            assert other.getsockname()[1] != port, "it is taken: another one will do for now"
    with open_port(tmp_path, None) as again:
        assert again.getsockname()[1] == port


def test_the_key_of_the_page_stands_on_no_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threat model P23: a browser is started with a file that only its owner can read, not with the key."""
    path = app_window.write_opener(tmp_path, "http://127.0.0.1:1/#the-key</script>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "#the-key<\\/script>" in path.read_text()
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    command = app_window.command_for(path.as_uri())
    assert command is not None
    assert command[0] == "/usr/bin/chromium"
    assert "the-key" not in " ".join(command)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert app_window.command_for(path.as_uri()) is None


async def test_where_there_is_no_screen_nothing_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_window, "has_screen", lambda: False)
    assert not await app_window.open_app_window(tmp_path, "http://127.0.0.1:1/#key")
    assert not list(tmp_path.iterdir())


def test_a_passphrase_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_PASSPHRASE", "a long one")
    assert passphrase_for(tmp_path) == "a long one"
    monkeypatch.setenv("HOLDFAST_PASSPHRASE", "")
    assert passphrase_for(tmp_path) is None


async def test_the_gateways_of_a_demonstration_stay_where_they_are(tmp_path: Path) -> None:
    first = DemoGateways(tmp_path)
    assert len(set(first.addresses)) == 3
    assert DemoGateways(tmp_path).addresses == first.addresses
    with pytest.raises(ChatError, match="no gateway"):
        await first.kill("192.0.2.1:1")
