"""The gateways that a node knows: its own, where its mailboxes are, and those of its contacts.

Theory. Each identity has connections of its own, so that a gateway cannot tell that two of them are one person. A
gateway is judged by its deposits (how long, how many failed), and one that failed several times is left in peace for
a while by its breaker. With two hops, the gateway that pipes is another one than that which keeps; when attempts
through it fail, the next one pipes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast.connection import ConnectionState
from holdfast.errors import ErrorCode, MailboxUnknownError, NetworkError, ResilienceError
from holdfast.mailbox import Direct, MailboxClient, Socks, TwoHop
from holdfast.node.model import GatewayStatus
from holdfast.node.settings import Mode
from holdfast.resilience import CircuitBreaker, CircuitBreakerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.connection import StateChange
    from holdfast.mailbox import GatewayAddress, GatewayPath, MailboxKey
    from holdfast.node.settings import NodeSettings
    from holdfast.node.wire import Place
    from holdfast.world import World

log = logging.getLogger("holdfast.node")

USUAL_WEIGHT: Final = 0.2
"""Weight of the last deposit in what is usual."""

FAILED_WEIGHT: Final = 0.3
"""Weight of the last deposit in the share of failures."""

MAKE_AGAIN: Final = 5.0
"""Seconds after which a mailbox that could not be made is tried again, at least."""

TRIES_PER_PIPE: Final = 2

BREAKER: Final = CircuitBreakerConfig(
    failure_threshold=3, timeout=10.0, expected_exception=(NetworkError,)
)

OnEnvelope = "Callable[[Gate, bytes, bytes, bytes], object]"


class Gate:
    """One gateway, for one identity.

    Args:
        address: of it.
        identity: whose connections these are.
        gates: all of them.

    Attributes:
        usual: seconds that a deposit takes.
        failing: share of late deposits that failed, 0 to 1.
        deposits: that it took.
        failures: deposits that failed.
        proven_at: when an envelope to ourselves came back through it.
    """

    def __init__(self, address: GatewayAddress, identity: str, gates: Gates) -> None:
        self.address = address
        self.identity = identity
        self._gates = gates
        self._wanted: dict[bytes, tuple[MailboxKey, bytes]] = {}
        self._pipe = 0
        self._fails = 0
        self.breaker = CircuitBreaker(f"gateway {address.name}", BREAKER)
        self.usual: float | None = None
        self.failing = 0.0
        self.deposits = 0
        self.failures = 0
        self.proven_at: float | None = None
        self.client = self._new_client()

    @property
    def score(self) -> float:
        """How well it does, 0 to 1."""
        speed = 1.0 if self.usual is None else 1 / (1 + 4 * self.usual)
        return round((1 - self.failing) * speed, 3)

    def _new_client(self) -> MailboxClient:
        gates = self._gates
        client = MailboxClient(
            self.address,
            gates.path(self.address, self._pipe),
            settings=gates.settings.mailbox,
            on_envelope=lambda *given: gates.on_envelope(self, *given),
            on_unreadable=self._unreadable,
            world=gates.world,
        )
        client.on_change(self._changed)
        return client

    def _changed(self, change: StateChange) -> None:
        self._gates.on_change(self)
        if change.new is ConnectionState.CONNECTED:
            self._fails = 0
            self.breaker.reset()  # it is there again: nothing has to be waited for
        elif change.new is not ConnectionState.DISCONNECTED and change.attempts:
            self._fails += 1
            if self._fails >= TRIES_PER_PIPE and self._gates.pipes(self.address) > 1:
                self._fails = 0
                self._gates.spawn(self._through_another())

    async def _through_another(self) -> None:
        """Let another gateway pipe: this way is no good."""
        old = self.client
        self._pipe += 1
        self.client = self._new_client()
        for key, _ in self._wanted.values():
            self._gates.spawn(self._read(key))
        await old.close()

    # --- our mailboxes ----------------------------------------------------------------------

    async def make(self, key: MailboxKey, token: bytes) -> None:
        """Make a mailbox of ours and read it from now on.

        Raises:
            ResilienceError: it was not made now; it is made later by itself.
        """
        self._wanted[key.mailbox] = key, token
        try:
            await self.client.create(key, token)
        except ResilienceError:
            self._gates.spawn(self._read(key))
            raise
        self._gates.spawn(self._read(key))

    def read(self, key: MailboxKey, token: bytes) -> None:
        """Read a mailbox that was made in an earlier life."""
        self._wanted[key.mailbox] = key, token
        self._gates.spawn(self._read(key))

    async def drop(self, key: MailboxKey) -> None:
        """Delete a mailbox of ours, if the gateway can be reached."""
        self._wanted.pop(key.mailbox, None)
        try:
            await self.client.delete(key)
        except ResilienceError as error:  # it dies of age by itself
            log.info("a mailbox could not be deleted at %s: %s", self.address.name, error.message)

    async def _read(self, key: MailboxKey) -> None:
        while key.mailbox in self._wanted:
            client = self.client
            try:
                await client.subscribe(key)
            except MailboxUnknownError:
                if await self._made_again(key):
                    continue
            except NetworkError:
                pass  # the wish stands: the client says it again on its next connection
            except ResilienceError as error:
                self._gates.on_problem("GATEWAY_REFUSED", f"{self.address.name}: {error.message}")
            return

    async def _made_again(self, key: MailboxKey) -> bool:
        wanted = self._wanted.get(key.mailbox)
        if wanted is None:
            return False
        try:
            await self.client.create(*wanted)
        except ResilienceError as error:
            await asyncio.sleep(max(MAKE_AGAIN, error.retry_after or 0.0))
        return True

    def _unreadable(self, mailbox: bytes, error: ResilienceError) -> None:
        wanted = self._wanted.get(mailbox)
        if wanted is None:
            return
        if error.code == ErrorCode.MAILBOX_TAKEN_OVER:
            self._gates.on_problem("MAILBOX_TAKEN_OVER", error.message)
            return
        self._gates.spawn(self._read(wanted[0]))

    # --- writing ----------------------------------------------------------------------------

    async def deposit(self, place: Place, body: bytes, ttl: float) -> None:
        """Put an envelope into a mailbox here; raises ResilienceError."""
        settings = self._gates.settings
        loop = asyncio.get_running_loop()
        began = loop.time()
        envelope = self._gates.world.secret_bytes(16)

        async def put() -> None:
            await self.client.deposit(
                place.mailbox,
                place.token,
                envelope,
                body,
                ttl=ttl,
                within=min(ttl, settings.attempt_timeout),
            )

        try:
            await (self.breaker.call_async(put) if settings.breaker else put())
        except ResilienceError:
            self.failures += 1
            self.failing += FAILED_WEIGHT * (1 - self.failing)
            self._gates.on_change(self)
            raise
        took = loop.time() - began
        self.deposits += 1
        self.failing -= FAILED_WEIGHT * self.failing
        usual = took if self.usual is None else self.usual
        self.usual = usual + USUAL_WEIGHT * (took - usual)


class Gates:
    """All gateways of a node.

    Args:
        settings: of the node.
        world: chance, ids, wall time.
        on_envelope: called with gate, mailbox, envelope id and body.
        on_change: called with a gate whose state may be another.
        on_problem: called with a code and a text for a person.
    """

    def __init__(
        self,
        settings: NodeSettings,
        world: World,
        *,
        on_envelope: Callable[[Gate, bytes, bytes, bytes], object],
        on_change: Callable[[Gate], object],
        on_problem: Callable[[str, str], object],
    ) -> None:
        self.settings = settings
        self.world = world
        self.on_envelope = on_envelope
        self.on_change = on_change
        self.on_problem = on_problem
        self._gates: dict[tuple[str, bytes], Gate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ours = {gateway.pin for gateway in settings.gateways}

    def get(self, identity: str, address: GatewayAddress) -> Gate:
        """Return a gateway as an identity reaches it."""
        gate = self._gates.get((identity, address.pin))
        if gate is None:
            gate = self._gates[identity, address.pin] = Gate(address, identity, self)
        return gate

    def ranked(self, identity: str, places: Sequence[Place]) -> list[tuple[Gate, Place]]:
        """Return the places where a contact can be reached, the one to try first first."""
        found = [(self.get(identity, place.gateway), place) for place in places]
        if self.settings.score:
            jitter = self.world.random.random
            found.sort(key=lambda each: (_is_open(each[0]), -each[0].score + 0.2 * jitter()))
        return found

    def path(self, address: GatewayAddress, turn: int) -> GatewayPath:
        """Return the way to a gateway, the next one for each turn."""
        mode = Mode(self.settings.mode)
        if mode is Mode.TOR:
            return Socks(f"socks5://{self.settings.proxy}")
        if mode is Mode.DIRECT:
            return Direct()
        pipes = [each for each in self.settings.gateways if each.pin != address.pin]
        start = address.pin[0]
        return TwoHop(pipes[(start + turn) % len(pipes)])

    def pipes(self, address: GatewayAddress) -> int:
        """Return how many ways there are to a gateway."""
        if Mode(self.settings.mode) is not Mode.TWO_HOP:
            return 1
        return sum(each.pin != address.pin for each in self.settings.gateways)

    def probe(self) -> None:
        """Something may have happened to the network: look at all connections."""
        for gate in self._gates.values():
            gate.client.probe()

    def statuses(self, now: float) -> list[GatewayStatus]:
        """Return how each gateway does, ours first."""
        by_pin: dict[bytes, list[Gate]] = {}
        for gate in self._gates.values():
            by_pin.setdefault(gate.address.pin, []).append(gate)
        return sorted(
            (self._status(gates, now) for gates in by_pin.values()),
            key=lambda status: (not status.is_ours, status.name),
        )

    def _status(self, gates: list[Gate], now: float) -> GatewayStatus:
        first = gates[0]
        usual = [gate.usual for gate in gates if gate.usual is not None]
        proven = [gate.proven_at for gate in gates if gate.proven_at is not None]
        quality = first.client.quality
        return GatewayStatus(
            name=f"{first.address.host}:{first.address.port}",
            state=first.client.state.value,
            grade="" if quality is None else quality.grade.name.lower(),
            score=min(gate.score for gate in gates),
            usual=sum(usual) / len(usual) if usual else None,
            breaker=first.breaker.state.value,
            is_ours=first.address.pin in self._ours,
            proven_ago=now - max(proven) if proven else None,
            deposits=sum(gate.deposits for gate in gates),
            failures=sum(gate.failures for gate in gates),
        )

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside; it ends with the node."""
        task = asyncio.get_running_loop().create_task(work, name="holdfast-node-gate")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close all connections."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(gate.client.close() for gate in self._gates.values()))


def _is_open(gate: Gate) -> bool:
    return gate.breaker.state.value == "open"
