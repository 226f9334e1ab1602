"""Faults as data: drawn first, printed, kept with a failure, replayed without their seed, shrunk one by one.

Each fault says when it begins, whom it hits and how long it lasts, and undoes itself: a plan with any of them
taken out is a plan again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from holdfast.testing.process import ProcessState

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from holdfast.testing.simulation import Simulation


class Fault(msgspec.Struct, frozen=True, tag_field="fault", kw_only=True):
    """One thing that goes wrong.

    Attributes:
        at: seconds after the start of the run.
        lasts: seconds until it is undone.
    """

    needs_link: ClassVar[bool] = False
    at: float
    lasts: float = 0.0

    def begin(self, sim: Simulation) -> None:
        """Do it."""

    def end(self, sim: Simulation) -> None:
        """Undo it."""


class HostFault(Fault, frozen=True):
    """A fault of a machine."""

    host: str


class LinkFault(Fault, frozen=True):
    """A fault of the way between two machines."""

    needs_link: ClassVar[bool] = True
    a: str
    b: str


class Kill(HostFault, frozen=True, tag="kill"):
    """The process is killed, and started again after a while."""

    def begin(self, sim: Simulation) -> None:
        """Kill it."""
        sim.network.hosts[self.host].kill()

    def end(self, sim: Simulation) -> None:
        """Start it again."""
        if sim.network.hosts[self.host].process.state is ProcessState.DEAD:
            sim.network.hosts[self.host].restart()


class PowerOff(Kill, frozen=True, tag="power_off"):
    """The machine loses its power, and comes back after a while."""

    def begin(self, sim: Simulation) -> None:
        """Switch it off."""
        sim.network.hosts[self.host].power_off()


class Freeze(HostFault, frozen=True, tag="freeze"):
    """The process stands still for a while."""

    def begin(self, sim: Simulation) -> None:
        """Freeze it."""
        sim.network.hosts[self.host].freeze()

    def end(self, sim: Simulation) -> None:
        """Thaw it."""
        sim.network.hosts[self.host].thaw()


class Roam(HostFault, frozen=True, tag="roam"):
    """The machine comes into another network, and back: each time all that it had open goes silent for ever."""

    def begin(self, sim: Simulation) -> None:
        """Leave."""
        sim.network.roam(self.host)

    def end(self, sim: Simulation) -> None:
        """Come back, under yet another address."""
        sim.network.roam(self.host)


class Partition(HostFault, frozen=True, tag="partition"):
    """The machine is alone: nothing passes between it and all others."""

    def begin(self, sim: Simulation) -> None:
        """Cut it off."""
        for other in sim.network.hosts:
            if other != self.host:
                sim.network.cut(self.host, other)

    def end(self, sim: Simulation) -> None:
        """Let it in again."""
        for other in sim.network.hosts:
            if other != self.host:
                sim.network.heal(self.host, other)


class Skew(HostFault, frozen=True, tag="skew"):
    """The wall clock jumps, and jumps back."""

    seconds: float = 3600.0

    def begin(self, sim: Simulation) -> None:
        """Jump."""
        sim.network.hosts[self.host].skew(self.seconds)

    def end(self, sim: Simulation) -> None:
        """Jump back."""
        sim.network.hosts[self.host].skew(-self.seconds)


class SlowDisk(HostFault, frozen=True, tag="slow_disk"):
    """Blocking work takes many times longer."""

    factor: float = 100.0

    def begin(self, sim: Simulation) -> None:
        """Slow it down."""
        sim.network.hosts[self.host].slow_down(self.factor)

    def end(self, sim: Simulation) -> None:
        """Undo it."""
        sim.network.hosts[self.host].speed_up(self.factor)


class Cut(LinkFault, frozen=True, tag="cut"):
    """Nothing passes, in one direction or both."""

    both: bool = True

    def begin(self, sim: Simulation) -> None:
        """Cut."""
        sim.network.cut(self.a, self.b, both=self.both)

    def end(self, sim: Simulation) -> None:
        """Heal."""
        sim.network.heal(self.a, self.b, both=self.both)


class Flap(LinkFault, frozen=True, tag="flap"):
    """Nothing passes half of the time, a second on and a second off."""

    period: float = 2.0

    def begin(self, sim: Simulation) -> None:
        """Cut and heal by turns."""
        for turn in range(max(1, math.ceil(self.lasts / self.period))):
            begins = self.at + turn * self.period
            sim.at(begins, lambda: sim.network.cut(self.a, self.b))
            sim.at(begins + self.period / 2, lambda: sim.network.heal(self.a, self.b))


class Clog(LinkFault, frozen=True, tag="clog"):
    """The way is many times slower."""

    factor: float = 20.0

    def begin(self, sim: Simulation) -> None:
        """Clog it."""
        sim.network.clog(self.a, self.b, self.factor)

    def end(self, sim: Simulation) -> None:
        """Unclog it."""
        sim.network.clog(self.a, self.b, 1 / self.factor)


class Reset(LinkFault, frozen=True, tag="reset"):
    """All connections between two machines are reset."""

    def begin(self, sim: Simulation) -> None:
        """Reset them."""
        sim.network.reset(self.a, self.b)


class BlackHole(LinkFault, frozen=True, tag="black_hole"):
    """Existing connections go silent for ever; new ones work."""

    def begin(self, sim: Simulation) -> None:
        """Swallow what they send."""
        sim.network.black_hole(self.a, self.b)


AnyFault = (
    Kill | PowerOff | Freeze | Roam | Partition | Skew | SlowDisk | Cut | Flap | Clog | Reset | BlackHole
)  # fmt: skip

SHORTEST, LONGEST = 0.05, 40.0
"""Seconds that a drawn fault lasts, evenly distributed on a logarithmic scale."""


def draw(
    source: random.Random,
    kinds: Mapping[type[Any], int],
    *,
    hosts: Sequence[str],
    links: Sequence[tuple[str, str]],
    begins: tuple[float, float],
    lasts: tuple[float, float] = (SHORTEST, LONGEST),
) -> list[Fault]:
    """Draw a plan.

    Args:
        source: chance.
        kinds: how many of each kind of fault.
        hosts: machines that faults of machines hit.
        links: pairs of machines that faults of links hit.
        begins: seconds after the start of the run between which faults begin.
        lasts: seconds that they last, at least and at most.
    """
    faults: list[Fault] = []
    for kind, count in kinds.items():
        for _ in range(count):
            span = math.exp(source.uniform(math.log(lasts[0]), math.log(lasts[1])))
            what: dict[str, Any] = {
                "at": round(source.uniform(*begins), 3),
                "lasts": round(span, 3),
            }
            if kind.needs_link:
                what["a"], what["b"] = source.choice(links)
            else:
                what["host"] = source.choice(hosts)
            if kind is Cut:
                what["both"] = source.random() < 2 / 3
            if kind is Skew:
                what["seconds"] = source.choice((-86400.0, -60.0, 60.0, 86400.0))
            faults.append(kind(**what))
    return sorted(faults, key=lambda fault: fault.at)


def to_json(faults: Sequence[Fault]) -> str:
    """Write a plan, one fault a line."""
    lines = ",\n  ".join(msgspec.json.encode(fault).decode() for fault in faults)
    return f"[\n  {lines}\n]" if faults else "[]"


def from_json(text: str | bytes) -> list[Fault]:
    """Read a plan.

    Raises:
        msgspec.ValidationError: it is none; the message says where.
    """
    return list(msgspec.json.decode(text, type=list[AnyFault]))
