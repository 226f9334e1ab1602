"""Looks after peers and agents: who can be reached, which agents can be asked, for health checks and commands."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import ResilienceError
from holdfast.health import HealthCheckResult, HealthStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.agents.host import AgentHost
    from holdfast.apps.agents.report import NodeReport
    from holdfast.health import HealthChecker

log = logging.getLogger("holdfast.agents")

INTERVAL: Final = 60.0
"""Seconds between two looks at all peers; each costs a request and an answer with every one of them."""

PATIENCE: Final = 20.0
"""Seconds that a peer has to answer."""

AT_ONCE: Final = 16
"""Peers that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class PeerLook:
    """How a peer was when it was looked at.

    Attributes:
        report: what it told, None when it did not answer.
        seconds: that its answer took.
        problem: why there is none.
    """

    report: NodeReport | None
    seconds: float
    problem: str = ""


class Watch:
    """Asks all peers now and then.

    Args:
        host: whose peers they are.
        interval: seconds between two looks.
        patience: seconds that a peer has.
    """

    def __init__(
        self, host: AgentHost, *, interval: float = INTERVAL, patience: float = PATIENCE
    ) -> None:
        self._host = host
        self._interval = interval
        self._patience = patience
        self._looks: dict[str, PeerLook] = {}

    @property
    def looks(self) -> Mapping[str, PeerLook]:
        """The last look at each peer, by its name."""
        return self._looks

    async def live(self) -> None:
        """Look until cancelled."""
        while True:
            self._looks = await self.look(self._patience)
            await asyncio.sleep(self._interval)

    async def look(self, patience: float) -> dict[str, PeerLook]:
        """Ask all peers at once, and give them so many seconds."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(peer: str) -> PeerLook:
            async with places:
                return await self._look_at(peer, patience)

        peers = list(self._host.peers())
        return dict(zip(peers, await asyncio.gather(*map(one, peers)), strict=True))

    async def _look_at(self, peer: str, patience: float) -> PeerLook:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            report = await self._host.report(peer, timeout=patience)
        except ResilienceError as error:
            # What a look finds is its result, whatever it is.
            return PeerLook(None, loop.time() - began, error.message)
        return PeerLook(report, loop.time() - began)

    # --- health checks ----------------------------------------------------------------------

    def register(self, health: HealthChecker) -> None:
        """Add the checks ``agents`` and ``peers``."""
        health.register_check("agents", self.check_agents)
        health.register_check("peers", self.check_peers, is_critical=False)

    async def check_agents(self) -> HealthCheckResult:
        """Say whether the agents of this node can be asked."""
        states = {each.name: each.state for each in self._host.agents.values()}
        away = {
            each.name: each.problem or each.state
            for each in self._host.agents.values()
            if each.state != "running"
        }
        if not away:
            return HealthCheckResult(HealthStatus.HEALTHY, f"{len(states)} agents", states)
        name, problem = next(iter(away.items()))
        status = HealthStatus.UNHEALTHY if len(away) == len(states) else HealthStatus.DEGRADED
        message = f"{len(away)} of {len(states)} agents cannot be asked; {name}: {problem}"
        return HealthCheckResult(status, message, states)

    async def check_peers(self) -> HealthCheckResult:
        """Say whether the peers answered when they were asked last."""
        silent = {peer: look.problem for peer, look in self._looks.items() if look.report is None}
        details: dict[str, object] = {
            peer: look.problem or f"answered in {look.seconds:.2f} s"
            for peer, look in self._looks.items()
        }
        if not silent:
            return HealthCheckResult(HealthStatus.HEALTHY, f"{len(details)} peers answer", details)
        peer, problem = next(iter(silent.items()))
        status = HealthStatus.UNHEALTHY if len(silent) == len(details) else HealthStatus.DEGRADED
        message = f"{len(silent)} of {len(details)} peers are silent; {peer}: {problem}"
        return HealthCheckResult(status, message, details)
