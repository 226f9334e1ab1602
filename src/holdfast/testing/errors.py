"""How a simulation fails."""

from __future__ import annotations


class SimulationError(Exception):
    """The simulation itself cannot go on."""


class NotSimulatedError(SimulationError):
    """The program asked its loop for something that has no simulated form."""


class DeadlockError(SimulationError):
    """Nothing is ready and nothing is scheduled: the program would wait for ever."""


class LivelockError(SimulationError):
    """The program turns and turns while no time passes."""


class OutOfTimeError(SimulationError):
    """The scenario has not ended within its simulated time."""


class ForeignThreadError(SimulationError):
    """Another thread has called into the loop: what follows could not be repeated."""


class ProgramFailedError(SimulationError):
    """A program of a host has ended with an exception, which is the cause of this one."""


class PromiseBrokenError(AssertionError):
    """A checker saw what must not happen.

    Attributes:
        promise: which one, in words.
    """

    def __init__(self, promise: str, seen: str) -> None:
        super().__init__(f"{promise}: {seen}")
        self.promise = promise
