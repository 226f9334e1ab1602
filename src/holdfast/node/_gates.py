"""The gateways that a node knows: its own, where its mailboxes are, and those of its contacts.

Theory. Each identity has connections of its own, so that a gateway cannot tell that two of them are one person. A
gateway is judged by its deposits (how long, how many failed), and one that failed several times is left in peace for
a while by its breaker. With two hops, the gateway that pipes is another one than that which keeps; when attempts
through it fail, the next one pipes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from holdfast.connection import ConnectionState, Reason
from holdfast.errors import ErrorCode, MailboxUnknownError, NetworkError, ResilienceError
from holdfast.mailbox import Direct, MailboxClient, TwoHop
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

LATE_TIMES: Final = 4
"""Times its usual that a gateway may take before a second one is asked."""

MAKE_AGAIN: Final = 5.0
"""Seconds after which a mailbox that could not be made is tried again, at least."""

MAKE_AGAIN_MAX: Final = 300.0
"""Seconds between two attempts to read a mailbox whose reading is refused, at most."""

DOWN: Final = 5.0
"""Seconds that a gateway is not waited for after a connection to it has ended or was not to be had."""

LAST_RESORT: Final = 1.0
"""Seconds between two tries of a gateway that its breaker bars, when a contact has no other; doubles each time."""

LAST_RESORT_MAX: Final = 60.0

PIPE_PAUSE: Final = 0.5
"""Seconds until yet another gateway pipes, when the one before was no good either; doubles each time."""

PIPE_PAUSE_MAX: Final = 60.0
"""Seconds of it at most: who comes back is found through each of the others within so long."""

HOPE_EVERY: Final = 5.0
"""Seconds between two times that the success of one makes all others try: a gateway that comes and goes must not
drive them."""

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
        has_lost: one did not that it said it kept, and none came back since: it is asked last.
        read_since: when the connection over which we read was there last, None while it is not.
        trouble: why it could not be reached last, for a person.
    """

    def __init__(self, address: GatewayAddress, identity: str, gates: Gates) -> None:
        self.address = address
        self.identity = identity
        self._gates = gates
        self._wanted: dict[bytes, tuple[MailboxKey, bytes]] = {}
        self._pipe = 0
        self._pause = 0.0
        self._is_turning = False
        self._down_until = 0.0
        self._last_resort_at = 0.0
        self._last_resort_wait = LAST_RESORT
        self.breaker = CircuitBreaker(f"gateway {address.name}", BREAKER)
        self.usual: float | None = None
        self.failing = 0.0
        self.deposits = 0
        self.failures = 0
        self.proven_at: float | None = None
        self.has_lost = False
        self.read_since: float | None = None
        self.trouble = ""
        self.client = self._new_client()

    @property
    def score(self) -> float:
        """How well it does, 0 to 1."""
        if self.has_lost:
            return 0.0
        speed = 1.0 if self.usual is None else 1 / (1 + 4 * self.usual)
        return round((1 - self.failing) * speed, 3)

    def _new_client(self) -> MailboxClient:
        gates = self._gates
        client = MailboxClient(
            self.address,
            gates.path(self.address, self._pipe),
            settings=gates.patience.mailbox,
            on_envelope=lambda *given: gates.on_envelope(self, *given),
            on_unreadable=self._unreadable,
            world=gates.world,
        )
        client.on_change(self._changed)
        return client

    def _changed(self, change: StateChange) -> None:
        if change.reason not in {None, Reason.REQUESTED, Reason.IDLE}:
            self.trouble = change.message
        now = asyncio.get_running_loop().time()
        if self.client.state is not ConnectionState.CONNECTED:
            self.read_since = None
        elif self.read_since is None:
            self.read_since = now
        self._gates.on_change(self)
        if change.new is ConnectionState.RECONNECTING or change.attempts:
            self._down_until = now + DOWN
        if change.new is ConnectionState.CONNECTED:
            self._down_until = 0.0
            self._pause = 0.0
            self.breaker.reset()  # it is there again: nothing has to be waited for
            self._gates.hope()
        elif (
            change.new is not ConnectionState.DISCONNECTED
            and change.attempts
            and not self._is_turning
            and self._gates.pipes(self.address) > 1
        ):
            self._is_turning = True
            self._gates.spawn(self._through_another())

    async def _through_another(self) -> None:
        """Let another gateway pipe: this way is no good. At once at first, later after a pause."""
        pause, self._pause = self._pause, min(PIPE_PAUSE_MAX, max(PIPE_PAUSE, 2 * self._pause))
        await asyncio.sleep(pause)
        self._is_turning = False
        if not self._pause:
            return  # it was good after all
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
        wait = 0.0
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
                if not wait:
                    problem = f"{self.address.name}: {error.message}"
                    self._gates.on_problem("GATEWAY_REFUSED", problem)
                wait = min(MAKE_AGAIN_MAX, 2 * wait or MAKE_AGAIN)
                await asyncio.sleep(max(wait, error.retry_after or 0.0))
                continue  # what lies there waits for us
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

    # --- envelopes to ourselves -------------------------------------------------------------

    def proven(self) -> None:
        """One came back."""
        self.proven_at = asyncio.get_running_loop().time()
        self.has_lost = False

    def lost_test(self) -> None:
        """It said that it kept one, and has not handed it out."""
        self.failures += 1
        if not self.has_lost:
            self.has_lost = True
            self._gates.on_problem(
                "GATEWAY_LOST_TEST",
                f"{self.address.name} said that it kept an envelope to ourselves, and did not hand it out: "
                "it is asked last until one comes back.",
            )
        self._gates.on_change(self)

    # --- writing ----------------------------------------------------------------------------

    @property
    def is_down(self) -> bool:
        """Whether a connection to it has just ended, and none came since."""
        return asyncio.get_running_loop().time() < self._down_until

    @property
    def late_after(self) -> float:
        """Seconds after which a deposit is late."""
        if self.is_down:
            return 0.0
        return max(self._gates.settings.hedge_delay, LATE_TIMES * (self.usual or 0.0))

    def is_last_resort(self, now: float) -> bool:
        """Say whether to try it although its breaker bars it: now and then, ever more rarely."""
        if now < self._last_resort_at:
            return False
        self._last_resort_at = now + self._last_resort_wait
        self._last_resort_wait = min(LAST_RESORT_MAX, 2 * self._last_resort_wait)
        return True

    async def deposit(
        self,
        place: Place,
        body: bytes,
        ttl: float,
        *,
        is_test: bool = False,
        is_barred: bool = False,
    ) -> None:
        """Put an envelope into a mailbox here; raises ResilienceError.

        One to ourselves goes apart: over the connection that writes to contacts it would tell the gateway which
        mailboxes are the two ends of a conversation. With ``is_barred`` the breaker is not asked.
        """
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
                within=min(ttl, self._gates.patience.attempt),
                is_apart=is_test,
            )

        try:
            await (self.breaker.call_async(put) if settings.breaker and not is_barred else put())
        except asyncio.CancelledError:
            if loop.time() - began >= self.late_after:
                # Another one was quicker: who never answers would be asked first for ever, as one that never failed.
                self.failing += FAILED_WEIGHT * (1 - self.failing)
            raise
        except ResilienceError:
            self.failures += 1
            self.failing += FAILED_WEIGHT * (1 - self.failing)
            self._gates.on_change(self)
            raise
        if is_test:
            return  # it proves nothing before it is back, and a new connection says nothing of what is usual
        if is_barred:
            self.breaker.reset()
        self._last_resort_wait = LAST_RESORT
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
        self.patience = settings.patience
        self.world = world
        self.on_envelope = on_envelope
        self.on_change = on_change
        self.on_problem = on_problem
        self._gates: dict[tuple[str, GatewayAddress], Gate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ours = {gateway.pin: gateway for gateway in settings.gateways}
        self._hoped_at = float("-inf")

    def get(self, identity: str, address: GatewayAddress) -> Gate:
        """Return a gateway as an identity reaches it: where we were told it is, whatever a contact says of ours.

        Others are known by their whole address: who gives a wrong place for a key spoils his own way only.
        """
        address = self._ours.get(address.pin, address)
        gate = self._gates.get((identity, address))
        if gate is None:
            gate = self._gates[identity, address] = Gate(address, identity, self)
        return gate

    def ranked(self, identity: str, places: Sequence[Place]) -> list[tuple[Gate, Place]]:
        """Return the places where a contact can be reached, the one to try first first."""
        found = [(self.get(identity, place.gateway), place) for place in places]
        if self.settings.score:
            jitter = self.world.random.random
            found.sort(key=lambda each: (_is_barred(each[0]), -each[0].score + 0.2 * jitter()))
        return found

    def path(self, address: GatewayAddress, turn: int) -> GatewayPath:
        """Return the way to a gateway, the next one for each turn."""
        mode = Mode(self.settings.mode)
        if mode is Mode.TOR:
            return self.settings.through
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

    def hope(self) -> None:
        """A gateway was reached, so there is a network: the others need not wait out their backoff."""
        now = asyncio.get_running_loop().time()
        if now >= self._hoped_at + HOPE_EVERY:
            self._hoped_at = now
            for gate in self._gates.values():
                gate.client.hurry()

    def statuses(self, now: float) -> list[GatewayStatus]:
        """Return how each gateway does, ours first."""
        by_address: dict[GatewayAddress, list[Gate]] = {}
        for gate in self._gates.values():
            by_address.setdefault(gate.address, []).append(gate)
        return sorted(
            (self._status(gates, now) for gates in by_address.values()),
            key=lambda status: (not status.is_ours, status.name),
        )

    def _status(self, gates: list[Gate], now: float) -> GatewayStatus:
        first = gates[0]
        usual = [gate.usual for gate in gates if gate.usual is not None]
        proven = [gate.proven_at for gate in gates if gate.proven_at is not None]
        quality, state = first.client.quality, first.client.state
        return GatewayStatus(
            name=f"{first.address.host}:{first.address.port}",
            state=state.value,
            grade="" if quality is None else quality.grade.name.lower(),
            score=min(gate.score for gate in gates),
            usual=sum(usual) / len(usual) if usual else None,
            breaker=first.breaker.state.value,
            is_ours=first.address.pin in self._ours,
            proven_ago=now - max(proven) if proven else None,
            deposits=sum(gate.deposits for gate in gates),
            failures=sum(gate.failures for gate in gates),
            trouble="" if state is ConnectionState.CONNECTED else first.trouble,
        )

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside; it ends with the node."""
        self.keep(asyncio.get_running_loop().create_task(work, name="holdfast-node-gate"))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Let something that has begun go on beside; it ends with the node."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close all connections."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(gate.client.close() for gate in self._gates.values()))


def _is_barred(gate: Gate) -> bool:
    return gate.is_down or gate.breaker.state.value == "open"
