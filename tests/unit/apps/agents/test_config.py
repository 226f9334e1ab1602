"""A configuration: what is wrong is said before anything is started, with the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.apps.agents import AgentCode, AgentError, ProcessAgent
from holdfast.apps.agents.config import Configuration
from holdfast.mailbox import GatewayAddress

if TYPE_CHECKING:
    from pathlib import Path

GATEWAY = str(GatewayAddress("127.0.0.1", 8410, b"p" * 32))
HEAD = f'name = "Ann"\ngateways = ["{GATEWAY}"]\nmode = "direct"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "agents.toml"
    path.write_text(text)
    return path


def test_what_it_says_is_made(tmp_path: Path) -> None:
    (tmp_path / "config_keeper.py").write_text("async def keep(request): return 1\n")
    path = written(
        tmp_path,
        HEAD + 'health = "[::1]:8420"\n'
        '[agents.worker]\ncommand = ["python3", "worker.py"]\nmay_run_again = true\n'
        '[agents.keeper]\nfunction = "config_keeper:keep"\nallow = ["bob"]\n',
    )

    found = Configuration(path)
    worker, keeper = found.agents()

    assert found.data == tmp_path / "node"
    assert found.health == ("::1", 8420)
    assert found.node_settings().mode == "direct"
    assert isinstance(worker[1], ProcessAgent)
    assert worker[2].may_run_again
    assert (keeper[0], keeper[2].allow) == ("keeper", ("bob",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name =", "no TOML"),
        ('name = "Ann"', "gateways"),
        ('name = "Ann"\ngateways = []', "gateways"),
        ('name = "Ann"\ngateways = ["http://x"]', "no address of a gateway"),
        (f'name = "Ann"\ngateways = ["{GATEWAY}"]', "needs two gateways"),
        (HEAD + 'colour = "red"', "colour"),
        (HEAD + 'health = "here"', "health"),
        (HEAD + '[agents.Worker]\ncommand = ["x"]', "cannot be called 'Worker'"),
        (HEAD + "[agents.worker]", "either a command or a function"),
        (HEAD + '[agents.worker]\ncommand = ["x"]\nfunction = "a:b"', "either a command"),
        (HEAD + "[agents.worker]\ncommand = []", "command"),
        (HEAD + '[agents.worker]\ncommand = ["x"]\nmax_concurrent = 0', "max_concurrent"),
        (HEAD + '[agents.worker]\nfunction = "nowhere"', "function"),
        (HEAD + '[agents.worker]\nfunction = "no_such_module:x"', "no_such_module"),
        (HEAD + '[agents.worker]\nfunction = "json:no_such"', "no_such"),
        (HEAD + '[agents.worker]\nfunction = "json:dumps"', "no coroutine function"),
        ("#" * 300_000, "bytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(AgentError) as caught:
        Configuration(path).agents()

    assert caught.value.code is AgentCode.CONFIG_INVALID
    assert problem in caught.value.message
    assert str(path) in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="cannot be read: No such file"):
        Configuration(tmp_path / "none.toml")
