"""``@simulate``: a scenario as a test that runs with many seeds."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

from holdfast.testing.search import Finding, search

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from holdfast.testing.chance import Mode
    from holdfast.testing.faults import Fault
    from holdfast.testing.simulation import Outcome, Simulation

P = ParamSpec("P")


@dataclass(slots=True)
class Options:
    """What the command line asks for; the pytest plugin sets it.

    Attributes:
        seed: run only this one.
        plan: use these faults.
        factor: multiplies the number of seeds.
        first: number at which seeds begin; a fresh one for each night finds new runs.
        part: of a test's seeds, those that are run now, as the number of the part and of all parts.
        report: called with a failed run, returns what to tell about it.
        on_finding: called after each test with its figures.
    """

    seed: int | None = None
    plan: Sequence[Fault] | None = None
    factor: float = 1.0
    first: int = 0
    part: tuple[int, int] = (0, 1)
    report: Callable[[Outcome], str] = field(default=lambda outcome: outcome.report())
    on_finding: Callable[[Finding], None] = field(default=lambda _: None)


options = Options()

SEEDS: Final = "__holdfast_seeds__"
"""Attribute of a test that ``@simulate`` made: how many seeds it asks for."""


def seeds_of(asked: int) -> int:
    """Return with how many seeds a test is run that asks for so many."""
    return max(1, round(asked * options.factor))


def simulate(
    *,
    seeds: int = 100,
    minutes: float = 10.0,
    kept: Mapping[int, str] | None = None,
    mode: Mode | None = None,
) -> Callable[
    [Callable[Concatenate[Simulation, P], Coroutine[Any, Any, object]]], Callable[P, None]
]:
    """Make a test of a scenario.

    Args:
        seeds: how many to run.
        minutes: simulated minutes that each run has.
        kept: seeds that once failed, each with a sentence about what it found; they run first.
        mode: of the loop; drawn by each seed when None.

    The scenario's first parameter is its ``Simulation``; others are fixtures.
    """
    remembered = dict(kept or {})

    def decorate(
        scenario: Callable[Concatenate[Simulation, P], Coroutine[Any, Any, object]],
    ) -> Callable[P, None]:
        @functools.wraps(scenario)
        def test(*args: P.args, **kwargs: P.kwargs) -> None:
            if options.seed is not None:
                wanted = [options.seed]
            else:
                first = options.first
                wanted = [*remembered, *range(first, first + seeds_of(seeds))]
                part, parts = options.part
                wanted = wanted[part::parts]
            finding = search(
                lambda world: scenario(world, *args, **kwargs),
                wanted,
                minutes=minutes,
                plan=options.plan,
                mode=mode,
            )
            options.on_finding(finding)
            failure = finding.failure
            if failure is not None and failure.error is not None:
                text = options.report(failure)
                if failure.seed in remembered:
                    text += f"\nkept because: {remembered[failure.seed]}"
                failure.error.add_note(f"run {finding.runs} of {len(wanted)}: {text}")
                raise failure.error

        signature = inspect.signature(scenario)
        _, *fixtures = signature.parameters.values()
        test.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=fixtures, return_annotation=None
        )
        del test.__wrapped__
        setattr(test, SEEDS, seeds)
        return test

    return decorate
