"""The same seed gives the same trace: in one process, in others, in debug mode, in each Python at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.testing import attempt
from tests.simulation.scenarios import SCENARIOS, digests

pytestmark = pytest.mark.xdist_group("determinism")
"""One worker has them all: what they compare with is made once."""

SEEDS = 4
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def expected() -> dict[str, list[str]]:
    return digests(range(SEEDS))


def in_another_process(python: str, *args: str, **environment: str) -> dict[str, list[str]]:
    command = [python, "-W", "ignore", "-m", "tests.simulation.scenarios", str(SEEDS), *args]
    return json.loads(
        subprocess.run(
            command, env=os.environ | environment, cwd=ROOT, check=True, capture_output=True
        ).stdout
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_twice_in_one_process(name: str, expected) -> None:
    assert [attempt(SCENARIOS[name], seed=seed).digest for seed in range(SEEDS)] == expected[name]


def test_other_seeds_give_other_traces(expected) -> None:
    for found in expected.values():
        assert len(set(found)) == SEEDS


@pytest.mark.parametrize("hash_seed", ["0", "1", "20261121"])
def test_under_any_hash_seed(hash_seed: str, expected) -> None:
    assert in_another_process(sys.executable, PYTHONHASHSEED=hash_seed) == expected


def test_in_debug_mode(expected) -> None:
    assert in_another_process(sys.executable, "debug") == expected


def other_pythons() -> list[str]:
    """Find the interpreters at hand of every other version that we support."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found: dict[int, str] = {}
    for minor in range(11, 20):
        candidates = [*pyenv.glob(f"3.{minor}.*/bin/python3.{minor}")]
        path = shutil.which(f"python3.{minor}")
        for candidate in (*candidates, *([Path(path)] if path else [])):
            probe = [str(candidate), "-c", "import venv, ensurepip"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                found.setdefault(minor, str(candidate))
    found.pop(sys.version_info.minor, None)
    return list(found.values())


@pytest.mark.timeout(300)
def test_on_every_other_python_at_hand(expected, tmp_path: Path, simulation_note) -> None:
    for number, interpreter in enumerate(other_pythons()):
        venv = tmp_path / str(number)
        subprocess.run([interpreter, "-m", "venv", venv], check=True, capture_output=True)
        python = str(venv / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes"]
        locked = ["-r", str(ROOT / "requirements.lock")]
        subprocess.run(install + locked, check=True, capture_output=True)
        paths = f"{ROOT}:{ROOT / 'src'}"
        assert in_another_process(python, PYTHONPATH=paths) == expected, interpreter
        simulation_note(f"the same traces on {Path(interpreter).name}")
