"""The anonymous chat: ``python benchmarks/chat.py [first|pair|failover|wire|idle|crypto|gateway|memory …]``.

Three gateways, each a process of its own as ``holdfast chat gateway`` runs it, the disk flushed before each answer; the
nodes are real ones with all on that is on by default, and talk over TLS on loopback. Parts are chosen by name; all of
them take about six minutes.

first     from an invitation in hand to the first message on the host's screen; the guest has no connection before
pair      messages from one node to another in a process of its own, until each was acknowledged end to end
failover  twenty messages a second while a gateway is killed or frozen: the longest silence at the reader
wire      bytes and copies of a short message while all is well
idle      bytes of a node with three gateways that has nothing to say
crypto    a message encrypted, sealed and saved, opened, decrypted and saved: one core, no disk
gateway   envelopes through one gateway
memory    of a gateway with many mailboxes, and with many subscribers

Goals stand behind the figures. The processor's time is told beside rates: on a busy machine it says more.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gateway_load
import psutil
from apart import percentile

from holdfast.apps.chat.demo import DemoGateways
from holdfast.crypto import EnvelopeKey, IdentityKeys, Keystore, PairKey, PairRatchet, SealKey
from holdfast.crypto.envelope import SIZES
from holdfast.crypto.ratchet import PairMessage
from holdfast.mailbox import GatewayAddress
from holdfast.node import (
    NODE_MIGRATIONS,
    MessageChanged,
    MessageState,
    Mode,
    Node,
    NodeSettings,
)
from holdfast.node.wire import Cipher, Frame, Say, encode, read_content, read_frame
from holdfast.server import loop_factory
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from typing import Self

    from holdfast.node import Change

MEETINGS = 20
MESSAGES = 1500
"""A gateway takes a thousand at once into one mailbox, and there are two mailboxes."""

PACE = 20.0
SILENCES = 9
DOWN = 2.0
REST = 1.5
HEALTHY = 15.0
FIRST_WORDS = 20
SHORT = "x" * 380
IDLE = 100.0
LONG = 90 * 60
ENVELOPES = 60_000
MAILBOXES = 100_000
SUBSCRIBERS = 10_000
CRYPTO_SECONDS = 3.0


# --- people ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def person(
    folder: Path, gateways: Sequence[GatewayAddress], mode: Mode, **knobs: Any
) -> AsyncIterator[Node]:
    """A node with one identity; its disk is flushed before anything is said."""
    folder.mkdir(exist_ok=True)
    settings = NodeSettings(gateways=tuple(gateways), mode=mode, **knobs)
    async with Database(folder / "node.db", NODE_MIGRATIONS) as database:
        keystore = Keystore.open(folder / "node.key")
        async with Node(database, keystore, settings) as node:
            if not node.identities:
                await node.create_identity(folder.name)
            yield node


def addresses(gateways: DemoGateways) -> list[GatewayAddress]:
    return [gateway.address for gateway in gateways.gateways]


async def befriended(host: Node, guest: Node) -> tuple[str, str]:
    """Introduce two; returns the guest as the host knows him, and the other way round."""
    invitation = await host.invite(host.identities[0].id)
    contact = await guest.accept(guest.identities[0].id, invitation.link)
    await until(lambda: is_ready(host, invitation.contact) and is_ready(guest, contact.id))
    return invitation.contact, contact.id


def is_ready(node: Node, contact: str) -> bool:
    found = node.contact(contact)
    return found is not None and found.state.value == "ready"


async def until(look: Callable[[], object], within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while not look():
            await asyncio.sleep(0.005)


def milliseconds(values: Sequence[float]) -> str:
    found = [1000 * percentile(list(values), share) for share in (0.5, 0.99)]
    return f"P50 {found[0]:.0f} ms, P99 {found[1]:.0f} ms"


# --- first message --------------------------------------------------------------------------------


async def first(folder: Path) -> None:
    print(f"\nfirst message to a new contact, {MEETINGS} times (goal: <= 150 ms in two_hop)")
    async with DemoGateways(folder) as gateways:
        for mode in (Mode.DIRECT, Mode.TWO_HOP):
            found, accepting = [], []
            async with person(folder / f"host {mode}", addresses(gateways), mode) as host:
                for number in range(MEETINGS):
                    took, accepted = await meeting(
                        folder / f"{mode} {number}", host, gateways, mode
                    )
                    found.append(took)
                    accepting.append(accepted)
            print(f"  {mode:8s} {milliseconds(found)}; of it until the invitation was accepted: "
                  f"{milliseconds(accepting)}")  # fmt: skip


async def meeting(
    folder: Path, host: Node, gateways: DemoGateways, mode: Mode
) -> tuple[float, float]:
    invitation = await host.invite(host.identities[0].id)
    heard = asyncio.Event()
    stop = host.on_message(lambda _: heard.set())
    try:
        async with person(folder, addresses(gateways), mode) as guest:
            began = time.perf_counter()
            contact = await guest.accept(guest.identities[0].id, invitation.link)
            accepted = time.perf_counter() - began
            await guest.send(contact.id, "hello")
            await heard.wait()
            return time.perf_counter() - began, accepted
    finally:
        stop()


# --- messages a second ----------------------------------------------------------------------------


async def be_the_reader(folder: Path, mode: Mode) -> None:
    """A process of its own: gateways and an invitation come in, figures go out when standard input ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    given = json.loads(await lines.readline())
    gateways = [GatewayAddress.parse(text) for text in given["gateways"]]
    async with person(folder, gateways, mode) as node:
        heard: list[str] = []
        node.on_message(lambda message: heard.append(message.text))
        await node.accept(node.identities[0].id, given["link"])
        await lines.read()
        in_order = heard == [f"line {number}" for number in range(len(heard))]
        print(json.dumps({"heard": len(heard), "in_order": in_order}), flush=True)


async def pair(folder: Path) -> None:
    print(f"\nmessages from node to node, {MESSAGES} at once")
    async with DemoGateways(folder) as gateways:
        for mode in (Mode.DIRECT, Mode.TWO_HOP):
            async with person(folder / f"ada {mode}", addresses(gateways), mode) as ada:
                await stream(folder / f"bob {mode}", ada, gateways, mode)


class Deliveries:
    """Waits until so many messages were acknowledged end to end."""

    def __init__(self, node: Node, count: int) -> None:
        self._left = count
        self.all = asyncio.Event()
        node.on_change(self._changed)

    def _changed(self, change: Change) -> None:
        if isinstance(change, MessageChanged) and change.state is MessageState.DELIVERED:
            self._left -= 1
            if not self._left:
                self.all.set()


async def stream(folder: Path, ada: Node, gateways: DemoGateways, mode: Mode) -> None:
    bob = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--reader", str(folder), mode.value,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert bob.stdin is not None
    invitation = await ada.invite(ada.identities[0].id)
    given = {"gateways": gateways.addresses, "link": invitation.link}
    bob.stdin.write(json.dumps(given).encode() + b"\n")
    await until(lambda: is_ready(ada, invitation.contact))
    processes = {"sender": psutil.Process(), "reader": psutil.Process(bob.pid)}
    for number, gateway in enumerate(gateways.gateways, 1):
        assert gateway.process is not None
        processes[f"gateway {number}"] = psutil.Process(gateway.process.pid)
    before = {name: sum(each.cpu_times()[:2]) for name, each in processes.items()}
    delivered = Deliveries(ada, MESSAGES)
    figures, began = ada.statistics(), time.perf_counter()
    await asyncio.gather(
        *(ada.send(invitation.contact, f"line {number}") for number in range(MESSAGES))
    )
    accepted = time.perf_counter() - began
    await delivered.all.wait()
    took = time.perf_counter() - began
    spent = {name: sum(each.cpu_times()[:2]) - before[name] for name, each in processes.items()}
    bob.stdin.close()
    assert bob.stdout is not None
    found = json.loads(await bob.stdout.readline())
    await bob.wait()
    assert found == {"heard": MESSAGES, "in_order": True}, found
    after = ada.statistics()
    more = ", ".join(f"{name} {after[name] - figures[name]}" for name in ("retries", "hedges"))  # type: ignore[operator]
    print(f"  {mode:8s} accepted {MESSAGES / accepted:,.0f}/s, acknowledged end to end {MESSAGES / took:,.0f}/s, "
          f"all there, in order, once; {more}")  # fmt: skip
    print("           processor, each: "
          + ", ".join(f"{name} {each / MESSAGES * 1e6:.0f} µs" for name, each in spent.items()))  # fmt: skip


# --- failover -------------------------------------------------------------------------------------


async def failover(folder: Path) -> None:
    print(f"\nlongest silence at the reader, {PACE:g} messages a second, one of three gateways for {DOWN:g} s, "
          f"{SILENCES} times each (goals: P99 < 100 ms killed, < 300 ms or 4 times the usual frozen)")  # fmt: skip
    async with DemoGateways(folder) as gateways:
        for mode in (Mode.DIRECT, Mode.TWO_HOP):
            async with (
                person(folder / f"ada {mode}", addresses(gateways), mode) as ada,
                person(folder / f"bob {mode}", addresses(gateways), mode) as bob,
            ):
                _, to_ada = await befriended(ada, bob)
                talk = Talk(ada, bob, to_ada)
                async with talk:
                    await asyncio.sleep(2.0)
                    for how in ("kill", "freeze"):
                        await silences(gateways, talk, mode, how)
                await until(lambda: talk.heard == talk.said, within=60)
                print(f"  {mode:8s} {talk.said} messages, none lost, none twice, all in order")


class Talk:
    """Says something again and again, and notes when it is heard."""

    def __init__(self, reader: Node, writer: Node, contact: str) -> None:
        self._reader, self._writer, self._contact = reader, writer, contact
        self.said = self.heard = 0
        self.times: list[float] = []
        self.waited: list[float] = []
        self._began: list[float] = []
        self._task: asyncio.Task[None]
        reader.on_message(self._hear)

    def _hear(self, message: Any) -> None:
        assert message.text == str(self.heard), f"{message.text} came instead of {self.heard}"
        self.heard += 1
        now = time.perf_counter()
        self.times.append(now)
        self.waited.append(now - self._began[int(message.text)])

    def is_whole(self) -> bool:
        """Both read at all gateways where they have a mailbox."""
        return all(
            gateway.state == "connected"
            for node in (self._reader, self._writer)
            for gateway in node.gateways()
            if gateway.state != "disconnected"
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            self._began.append(time.perf_counter())
            self.said += 1
            await asyncio.shield(self._writer.send(self._contact, str(self.said - 1)))
            await asyncio.sleep(max(0.0, start + self.said / PACE - loop.time()))


async def silences(gateways: DemoGateways, talk: Talk, mode: Mode, how: str) -> None:
    found, back = [], []
    talk.waited.clear()
    for number in range(SILENCES):
        victim = gateways.gateways[number % len(gateways.gateways)].name
        talk.times.clear()
        began = time.perf_counter()
        await (gateways.kill(victim) if how == "kill" else gateways.freeze(victim))
        await asyncio.sleep(DOWN)
        times = [began, *talk.times, time.perf_counter()]
        found.append(max(later - earlier for earlier, later in itertools.pairwise(times)))
        await gateways.start(victim)
        began = time.perf_counter()
        await until(talk.is_whole)
        back.append(time.perf_counter() - began)
        await asyncio.sleep(REST)
    print(f"  {mode:8s} {how:6s} longest silence {milliseconds(found)}, {1000 / PACE:.0f} ms between two messages "
          f"included; a message took {milliseconds(talk.waited)}; "
          f"both nodes back at the gateway after {milliseconds(back)}")  # fmt: skip


# --- bytes ----------------------------------------------------------------------------------------


class Relay:
    """Passes bytes to a gateway and back, and counts them."""

    def __init__(self, target: GatewayAddress) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = self.there = self.back = 0

    async def start(self) -> GatewayAddress:
        self._server = await asyncio.start_server(self._welcome, "127.0.0.1")
        port = self._server.sockets[0].getsockname()[1]
        return GatewayAddress("127.0.0.1", port, self._target.pin)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        beyond = await asyncio.open_connection(self._target.host, self._target.port)

        def there(count: int) -> None:
            self.there += count

        def back(count: int) -> None:
            self.back += count

        for source, drain, count in ((reader, beyond[1], there), (beyond[0], writer, back)):
            task = asyncio.create_task(self._pass(source, drain, count))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _pass(
        source: asyncio.StreamReader, drain: asyncio.StreamWriter, count: Callable[[int], None]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                count(len(data))
                drain.write(data)
                await drain.drain()
        drain.close()

    def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def counted(
    gateways: DemoGateways,
) -> AsyncIterator[tuple[list[Relay], list[GatewayAddress]]]:
    relays = [Relay(gateway.address) for gateway in gateways.gateways]
    try:
        yield relays, [await relay.start() for relay in relays]
    finally:
        for relay in relays:
            relay.close()


def passed(relays: Sequence[Relay]) -> tuple[int, int]:
    return sum(relay.there for relay in relays), sum(relay.back for relay in relays)


def room_for_text() -> int:
    """Return how many bytes of text fit into the smallest envelope, in the middle of a conversation."""
    world = RealWorld()
    one, other = IdentityKeys.generate(), IdentityKeys.generate()
    ratchet = one.begin(other.public, other.new_prekey())
    answering, _ = other.answer(one.public, ratchet.encrypt(b""))
    ratchet.decrypt(answering.encrypt(b""))
    key = SealKey(EnvelopeKey.generate(world).public)
    size = 0
    while True:
        said = Say(world.new_id(), "", bytes(size + 1), int(world.wall_now() * 1000))
        made = ratchet.encrypt(encode(said))
        frame = Frame(0, 70_000, Cipher(made.kind), made.ciphertext, 0, 70_000)
        signed = PairKey(bytes(32), is_host=True).signed(encode(frame))
        if len(key.seal(signed)) > SIZES[0]:
            return size
        size += 1


async def wire(folder: Path) -> None:
    print("\nwire (goals: <= 1.7 kB for 380 characters with post-quantum sealing, <= 1.05 copies)")
    print(f"  envelope {SIZES[0]} bytes, for texts up to {room_for_text()} bytes; "
          "there is none without post-quantum sealing")  # fmt: skip
    async with DemoGateways(folder) as gateways, counted(gateways) as (relays, ways):
        for mode in (Mode.DIRECT, Mode.TWO_HOP):
            async with (
                person(folder / f"ada {mode}", addresses(gateways), mode) as ada,
                person(folder / f"bob {mode}", ways, mode, self_test=False) as bob,
            ):
                _, to_ada = await befriended(ada, bob)
                delivered = Deliveries(bob, FIRST_WORDS)
                for _ in range(FIRST_WORDS):  # so that all connections stand
                    await bob.send(to_ada, "a first word")
                await delivered.all.wait()
                await healthy(mode, ada, bob, to_ada, relays)


async def healthy(mode: Mode, ada: Node, bob: Node, contact: str, relays: list[Relay]) -> None:
    count = int(PACE * HEALTHY)
    there, back = passed(relays)
    copies, answers = bob.statistics()["sent"], ada.statistics()["sent"]
    delivered = Deliveries(bob, count)
    for _ in range(count):
        await bob.send(contact, SHORT)
        await asyncio.sleep(1 / PACE)
    await delivered.all.wait()
    out, into = passed(relays)
    sent = bob.statistics()["sent"] - copies  # type: ignore[operator]
    acks = ada.statistics()["sent"] - answers  # type: ignore[operator]
    print(f"  {mode:8s} {count} of {len(SHORT)} characters, {PACE:g} a second: {sent / count:.3f} copies each; "
          f"{(out - there) / count:,.0f} bytes out, {(into - back) / count:,.0f} back each, of TCP's payload; "
          f"{acks / count:.2f} acknowledgements each")  # fmt: skip


async def idle(folder: Path) -> None:
    print("\nidle, three gateways, no self-tests (goal: <= 100 kB in 90 minutes)")
    async with DemoGateways(folder) as gateways:
        await asyncio.gather(
            *(
                silent(folder / f"ada {mode}", gateways, mode)
                for mode in (Mode.DIRECT, Mode.TWO_HOP)
            )
        )


async def silent(folder: Path, gateways: DemoGateways, mode: Mode) -> None:
    async with (
        counted(gateways) as (relays, ways),
        person(folder, ways, mode, places=3, self_test=False) as ada,
    ):
        await ada.invite(ada.identities[0].id)
        await asyncio.sleep(5.0)
        before = passed(relays)
        await asyncio.sleep(IDLE)
        there, back = (now - then for now, then in zip(passed(relays), before, strict=True))
        print(f"  {mode:8s} {there} bytes out and {back} back in {IDLE:g} s, of TCP's payload: "
              f"{(there + back) * LONG / IDLE / 1000:.0f} kB in 90 minutes")  # fmt: skip


# --- crypto ---------------------------------------------------------------------------------------


class Pen:
    """One end of a conversation, with all that is done for a message but the disk."""

    def __init__(self, ratchet: PairRatchet, *, is_host: bool) -> None:
        self._stored = b""
        self._vault = Keystore(bytes(32))
        self._envelope = EnvelopeKey.generate(RealWorld())
        self._pair = PairKey(bytes(32), is_host=is_host)
        self.seal_key = SealKey(self._envelope.public)
        self._seq = 0
        self._save(ratchet)

    def _save(self, ratchet: PairRatchet) -> None:
        self._stored = self._vault.seal("contact", ratchet.to_bytes())

    def _load(self) -> PairRatchet:
        return PairRatchet.from_bytes(self._vault.unseal("contact", self._stored))

    def write(self, text: bytes, key: SealKey) -> bytes:
        self._seq += 1
        ratchet = self._load()
        made = ratchet.encrypt(encode(Say("0123456789abcdef", "", text, 1)))
        self._save(ratchet)
        self._vault.seal("outgoing", text)
        frame = Frame(0, self._seq, Cipher(made.kind), made.ciphertext)
        return key.seal(self._pair.signed(encode(frame)))

    def read(self, envelope: bytes) -> bytes:
        frame = read_frame(self._pair.verified(self._envelope.open(envelope)))
        ratchet = self._load()
        said = read_content(ratchet.decrypt(PairMessage(frame.cipher.value, frame.payload)))
        self._save(ratchet)
        assert isinstance(said, Say)
        self._vault.seal("message", said.body)
        return said.body


def bare(text: bytes) -> float:
    """Return how often a second the library alone seals and opens an envelope: what this machine allows."""
    key = EnvelopeKey.generate(RealWorld())
    seal = SealKey(key.public).seal
    began, count = time.process_time(), 0
    while time.process_time() - began < 1.0:
        key.open(seal(text))
        count += 1
    return count / (time.process_time() - began)


def crypto() -> None:
    print(
        "\nencrypted, sealed, signed, state saved, at both ends, without the disk (goal: >= 4,000/s a core)"
    )
    one, other = IdentityKeys.generate(), IdentityKeys.generate()
    ratchet = one.begin(other.public, other.new_prekey())
    answering, _ = other.answer(one.public, ratchet.encrypt(b""))
    ratchet.decrypt(answering.encrypt(b""))
    ada, bob = Pen(ratchet, is_host=True), Pen(answering, is_host=False)
    text = SHORT.encode()
    rates: list[float] = []
    halves: dict[str, list[float]] = {"written": [], "read": []}
    for _ in range(int(CRYPTO_SECONDS)):
        began, count = time.process_time(), 0
        written = read = 0.0
        while written + read < 1.0:
            start = time.process_time()
            envelopes = [ada.write(text, bob.seal_key) for _ in range(20)]
            middle = time.process_time()
            assert all(bob.read(envelope) == text for envelope in envelopes)
            written += middle - start
            read += time.process_time() - middle
            count += len(envelopes)
        rates.append(count / (time.process_time() - began))
        halves["written"].append(count / written)
        halves["read"].append(count / read)
    print(f"  {bare(text):,.0f}/s sealed and opened by the library, and nothing else")
    print(f"  {statistics.median(rates):,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f}), "
          + ", ".join(f"{name} {statistics.median(found):,.0f}/s" for name, found in halves.items()))  # fmt: skip


# --- gateway --------------------------------------------------------------------------------------


async def gateway(folder: Path) -> None:
    print("\none gateway, TLS, flushed before each answer (goal: >= 15,000 envelopes/s a core)")
    await gateway_load.through(folder, ENVELOPES, SIZES[0])


async def memory(folder: Path) -> None:
    print("\nmemory of a gateway (goal: < 400 MB with 10,000 idle subscribers)")
    await gateway_load.mailboxes(folder, MAILBOXES)
    crowd = folder / "crowd"
    crowd.mkdir()
    await gateway_load.subscribers(crowd, SUBSCRIBERS)


def run(work: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(work)


PARTS: dict[str, Callable[[Path], Coroutine[object, object, None]]] = {
    "first": first,
    "pair": pair,
    "failover": failover,
    "wire": wire,
    "idle": idle,
    "gateway": gateway,
    "memory": memory,
}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", where]:
            run(gateway_load.serve(Path(where)))
        case ["--reader", where, mode]:
            run(be_the_reader(Path(where), Mode(mode)))
        case wanted:
            if not wanted or "crypto" in wanted:
                crypto()
            for name, part in PARTS.items():
                if not wanted or name in wanted:
                    with tempfile.TemporaryDirectory() as place:
                        run(part(Path(place)))
