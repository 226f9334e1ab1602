"""Many seeds, until one fails; then the smallest plan of faults that still makes it fail."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from holdfast.testing.errors import ProgramFailedError, PromiseBrokenError
from holdfast.testing.simulation import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.testing.faults import Fault
    from holdfast.testing.simulation import Outcome, Scenario


@dataclass(slots=True)
class Finding:
    """What a search has found.

    Attributes:
        runs: how many seeds were tried.
        simulated: seconds of virtual time in all.
        faults: how many were injected in all.
        took: real seconds for all runs.
        failure: the run that failed, with its plan made small; None when none did.
    """

    runs: int = 0
    simulated: float = 0.0
    faults: int = 0
    took: float = 0.0
    failure: Outcome | None = None


def search(
    scenario: Scenario,
    seeds: Iterable[int],
    *,
    shrinking: float = 20.0,
    on_run: Callable[[Outcome], None] = lambda _: None,
    **how: Any,
) -> Finding:
    """Run a scenario with each seed until one fails, and make that one's plan small.

    Args:
        scenario: coroutine function of a ``Simulation``.
        seeds: to try, in this order.
        shrinking: real seconds to spend on making a failing plan smaller; 0 for none.
        on_run: called after each run.
        how: as for ``attempt``.
    """
    finding = Finding()
    for seed in seeds:
        began = time.perf_counter()
        outcome = attempt(scenario, seed=seed, **how)
        finding.took += time.perf_counter() - began
        finding.runs += 1
        finding.simulated += outcome.seconds
        finding.faults += len(outcome.plan)
        on_run(outcome)
        if outcome.error is not None:
            finding.failure = shrink(scenario, outcome, within=shrinking, **how)
            return finding
    return finding


def shrink(scenario: Scenario, failed: Outcome, *, within: float, **how: Any) -> Outcome:
    """Drop faults for as long as the run fails of the same.

    Large parts first, then one by one (a simple form of delta debugging: A. Zeller, "Yesterday, my
    program worked. Today, it does not. Why?", 1999). All other chance stays as it was.

    Args:
        scenario: that failed.
        failed: how it did.
        within: real seconds to spend.
        how: as for ``attempt``.
    """
    how = {name: value for name, value in how.items() if name != "plan"}
    ends = time.perf_counter() + within
    best, size = failed, max(1, len(failed.plan) // 2)
    while best.plan and time.perf_counter() < ends:
        smaller = _without_some(scenario, best, size, ends, how)
        if smaller is not None:
            best = smaller
        elif size == 1:
            break
        if smaller is None or size > len(best.plan):
            size = max(1, size // 2)
    return best


def _without_some(
    scenario: Scenario, best: Outcome, size: int, ends: float, how: dict[str, Any]
) -> Outcome | None:
    for start in range(0, len(best.plan), size):
        if time.perf_counter() >= ends:
            return None
        plan: list[Fault] = best.plan[:start] + best.plan[start + size :]
        outcome = attempt(scenario, **(how | {"seed": best.seed, "plan": plan}))
        if outcome.error is not None and kind_of(outcome.error) == kind_of(best.error):
            return replace(outcome, plan=plan)
    return None


def kind_of(error: BaseException | None) -> tuple[object, ...]:
    """Say what a run failed of, without the circumstances."""
    if isinstance(error, PromiseBrokenError):
        return type(error), error.promise
    if isinstance(error, ProgramFailedError):
        return type(error), type(error.__cause__)
    return (type(error),)
