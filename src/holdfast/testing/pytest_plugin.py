"""The pytest side of ``@simulate``: options, the file of a failure, the command that repeats it, figures."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from holdfast.testing import faults
from holdfast.testing.simulate import SEEDS, Options, options, seeds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from holdfast.testing.search import Finding
    from holdfast.testing.simulation import Outcome


@dataclasses.dataclass
class _Totals:
    """What was simulated, and what is to be told about it."""

    runs: int = 0
    faults: int = 0
    seconds: float = 0.0
    took: float = 0.0
    notes: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: _Totals) -> None:
        self.runs += other.runs
        self.faults += other.faults
        self.seconds += other.seconds
        self.took += other.took
        self.notes += other.notes


_PART: Final = "_holdfast_part_of_seeds"
_PART_OF_ID: Final = re.compile(r"-part\d+of\d+(?=\])|\[part\d+of\d+\]|(?<=\[)part\d+of\d+-")

_totals = _Totals()
_outer: list[tuple[Options, _Totals]] = []
"""What was asked for and counted by the sessions around this one: pytest's own tests run pytest within pytest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--sim-…``."""
    group = parser.getgroup("simulation", "simulated networks (holdfast.testing)")
    group.addoption("--sim-seed", type=int, help="run simulations with this seed only")
    group.addoption("--sim-plan", help="file of faults to use instead of drawn ones")
    group.addoption(
        "--sim-factor", type=float, default=1.0, help="multiply the number of seeds by this"
    )
    group.addoption(
        "--sim-fresh",
        nargs="?",
        type=int,
        const=-1,
        help="begin at a seed that was never tried, or at the given one",
    )
    group.addoption(
        "--sim-chunk",
        type=int,
        default=0,
        help="run tests with more seeds than this as several, for workers to share (pytest-xdist)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the options over."""
    _outer.append((dataclasses.replace(options), dataclasses.replace(_totals)))
    _become(_totals, _Totals())
    options.seed = config.getoption("--sim-seed")
    options.factor = config.getoption("--sim-factor")
    plan = config.getoption("--sim-plan")
    options.plan = None if plan is None else faults.from_json(Path(plan).read_bytes())
    fresh = config.getoption("--sim-fresh")
    if fresh is not None:
        if fresh < 0:  # the same one in all workers of a parallel run
            given = os.environ.get("HOLDFAST_SIMULATION_FIRST_SEED")
            fresh = int(given) if given else int.from_bytes(os.urandom(5), "big")
            os.environ["HOLDFAST_SIMULATION_FIRST_SEED"] = str(fresh)
        options.first = fresh
    options.on_finding = _count
    folder = config.cache.mkdir("simulation") if hasattr(config, "cache") and config.cache else None
    options.report = lambda outcome: _report(outcome, folder, config.rootpath)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make several tests of one with many seeds."""
    chunk = metafunc.config.getoption("--sim-chunk")
    seeds = getattr(metafunc.function, SEEDS, None)
    if seeds is None or chunk < 1 or options.seed is not None:
        return
    parts = -(-seeds_of(seeds) // chunk)
    if parts > 1:
        metafunc.fixturenames.append(_PART)
        each = [(part, parts) for part in range(parts)]
        ids = [f"part{part + 1}of{parts}" for part in range(parts)]
        metafunc.parametrize(_PART, each, ids=ids)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Let a test run its part of the seeds only."""
    callspec = getattr(item, "callspec", None)
    options.part = (0, 1) if callspec is None else callspec.params.get(_PART, (0, 1))
    try:
        return (yield)
    finally:
        options.part = (0, 1)


def pytest_unconfigure() -> None:
    """Give options and figures back to the session around this one."""
    outer_options, outer_totals = _outer.pop()
    _become(options, outer_options)
    _become(_totals, outer_totals)


def _become(one: Options | _Totals, other: Options | _Totals) -> None:
    for field in dataclasses.fields(other):
        setattr(one, field.name, getattr(other, field.name))


def pytest_report_header() -> str | None:
    """Say which seeds are run."""
    return f"simulation: fresh seeds from {options.first}" if options.first else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was simulated."""
    for line in _totals.notes:
        terminalreporter.write_line(line)
    if _totals.runs:
        terminalreporter.write_line(
            f"simulated: {_totals.runs} runs, {_totals.seconds / 3600:.1f} hours, "
            f"{_totals.faults} faults; a second and core: {_totals.runs / _totals.took:.1f} seeds, "
            f"{_totals.seconds / 3600 / _totals.took:.2f} hours"
        )


@pytest.fixture(scope="session")
def simulation_note() -> Callable[[str], None]:
    """Give a function that puts a line below the summary, also from a worker of a parallel run."""
    return _totals.notes.append


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's figures to the run that it works for."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["simulation"] = dataclasses.asdict(_totals)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up the figures of a worker (pytest-xdist)."""
    given = getattr(node, "workeroutput", {}).get("simulation")
    if given:
        _totals.add(_Totals(**given))


def _count(finding: Finding) -> None:
    _totals.add(_Totals(finding.runs, finding.faults, finding.simulated, finding.took))


def _report(outcome: Outcome, folder: Path | None, root: Path) -> str:
    """Keep the plan of a failed run, and say how to repeat it."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    test = _PART_OF_ID.sub("", test)
    command = f"pytest {shlex.quote(test)} --sim-seed={outcome.seed}"
    if folder is not None:
        name = re.sub(r"[^\w.-]+", "-", test.rpartition("/")[2])
        path = folder / f"{name}-{outcome.seed}.json"
        path.write_text(faults.to_json(outcome.plan) + "\n", encoding="utf-8")
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        command += f" --sim-plan={shlex.quote(str(shown))}"
    return f"{outcome.report()}\nTo repeat it:\n  {command}"
