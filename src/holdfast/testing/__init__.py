"""Run unchanged asyncio programs in virtual time, on a network that breaks, from a seed.

::

    async def scenario(world: Simulation) -> None:
        server = world.host("server")
        server.spawn(my_server)
        phone = world.host("phone", profile="train")
        phone.spawn(my_client, "server", 8400)
        world.inject({Kill: 1, Cut: 3}, within=60, hosts=["server"], links=[("phone", "server")])
        await world.until(everything_arrived, within=120, what="nothing is lost")

    run(scenario, seed=7)
"""

from holdfast.testing.chance import Chance, Mode
from holdfast.testing.errors import (
    DeadlockError,
    ForeignThreadError,
    LivelockError,
    NotSimulatedError,
    OutOfTimeError,
    ProgramFailedError,
    PromiseBrokenError,
    SimulationError,
)
from holdfast.testing.faults import (
    BlackHole,
    Clog,
    Cut,
    Fault,
    Flap,
    Freeze,
    Kill,
    Partition,
    PowerOff,
    Reset,
    Roam,
    Skew,
    SlowDisk,
)
from holdfast.testing.host import Host
from holdfast.testing.network import Network
from holdfast.testing.path import PROFILES, Profile
from holdfast.testing.promises import (
    NothingLost,
    Once,
    OnceInOrder,
    OneOwner,
    Returns,
    Scores,
    nothing_left,
)
from holdfast.testing.search import Finding, search, shrink
from holdfast.testing.simulate import simulate
from holdfast.testing.simulation import Outcome, Scenario, Simulation, attempt, run

__all__ = [
    "PROFILES",
    "BlackHole",
    "Chance",
    "Clog",
    "Cut",
    "DeadlockError",
    "Fault",
    "Finding",
    "Flap",
    "ForeignThreadError",
    "Freeze",
    "Host",
    "Kill",
    "LivelockError",
    "Mode",
    "Network",
    "NotSimulatedError",
    "NothingLost",
    "Once",
    "OnceInOrder",
    "OneOwner",
    "OutOfTimeError",
    "Outcome",
    "Partition",
    "PowerOff",
    "Profile",
    "ProgramFailedError",
    "PromiseBrokenError",
    "Reset",
    "Returns",
    "Roam",
    "Scenario",
    "Scores",
    "Simulation",
    "SimulationError",
    "Skew",
    "SlowDisk",
    "attempt",
    "nothing_left",
    "run",
    "search",
    "shrink",
    "simulate",
]
