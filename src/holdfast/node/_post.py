"""Carries frames to gateways: messages when the courier says so, acknowledgements when they are owed.

Theory. Every attempt builds its frame anew, with the present acknowledgement, and seals it anew, so that no two copies
look alike. When the first gateway is late, a second one is asked; the first that took the envelope counts. An
acknowledgement that has no message to ride on goes by itself after a moment, and is not repeated: whoever misses it
sends again, and is answered again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from holdfast import limits
from holdfast.crypto import InvitationSealKey, SealKey
from holdfast.errors import CircuitBreakerOpenError, EnvelopeError, ErrorCode, ResilienceError
from holdfast.node import _sending
from holdfast.node.model import PlainChanged
from holdfast.node.wire import Cipher, Frame, encode
from holdfast.ops.errors import ErrorCategory, ErrorSeverity

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from holdfast.node._courier import Key
    from holdfast.node._desk import Desk
    from holdfast.node._gates import Gate, Gates
    from holdfast.node._work import Outcome, View
    from holdfast.node.model import ContactId
    from holdfast.node.wire import Place

ROW: Final = "SELECT epoch, cipher, payload, expires_ms, mark FROM node_outgoing WHERE contact = ? AND seq = ?"
SHORTEST: Final = 0.05
"""Seconds that an attempt has at least."""

ABREAST: Final = 8
"""Messages that are sealed in one turn of the loop: they are on their way while the next ones are sealed."""

NOBODY_THERE: Final = " Either you were removed there, or the gateway lost its mailboxes and their owner was not back."
AT_ONCE: Final = 0.02
"""Seconds that an acknowledgement waits that somebody waits for: for those that come with it."""


class Post:
    """The way out.

    Args:
        desk: what all share.
        gates: the gateways.

    Attributes:
        sent: envelopes that gateways took.
        hedges: times that a second gateway was asked.
        failovers: times that another gateway took what the first one did not.
        is_plain: whether gateways are taken in the order of the contact's list for now.
    """

    def __init__(self, desk: Desk, gates: Gates) -> None:
        self._desk = desk
        self._gates = gates
        self._wake = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()
        self._owed: dict[ContactId, float] = {}
        self._filling: set[ContactId] = set()
        self._told_at: dict[ContactId, bytes] = {}
        self._told: dict[ContactId, tuple[int, int]] = {}
        self._taken: list[tuple[str, int, int]] = []
        self._noting: asyncio.Task[None] | None = None
        self.sent = 0
        self.hedges = 0
        self.failovers = 0
        self.is_plain = False
        desk.on_outcome.append(self._settled)

    # --- what is due ------------------------------------------------------------------------

    def _settled(self, outcome: Outcome) -> None:
        """Note what a transaction asks for."""
        now = self._desk.now()
        for contact, is_urgent in outcome.owed.items():
            wait = AT_ONCE if is_urgent else self._desk.settings.ack_delay
            if self._untold(contact, outcome.views.get(contact)) >= limits.NODE_ACK_EVERY:
                wait = 0.0  # or his window fills, and he has to wait for us
            self._owed[contact] = min(self._owed.get(contact, float("inf")), now + wait)
        gone: dict[ContactId, list[int]] = {}
        for contact, seq in outcome.gone:
            gone.setdefault(contact, []).append(seq)
        for contact, seqs in gone.items():
            if contact not in self._filling:  # what is still missing then is asked for again
                self._filling.add(contact)
                self._fly(self._nothing(contact, seqs))
        for contact, (epoch, prekey) in outcome.asked.items():
            self._fly(self._ask(contact, epoch, prekey))
        self.wake()

    def _untold(self, contact: ContactId, view: View | None) -> int:
        """Return how many messages were stored since the contact was told of any."""
        if view is None:
            return 0
        epoch, through = self._told.get(contact, (view.epoch, 0))
        return view.through - (through if epoch == view.epoch else 0)

    def wake(self) -> None:
        """Look at once what is due."""
        self._wake.set()

    def hurry(self) -> None:
        """Carry everything now."""
        self._desk.courier.hurry(self._desk.now())
        self.wake()

    @property
    def next_at(self) -> float:
        """When something is due next."""
        return min([self._desk.courier.next_at, *self._owed.values()])

    async def run(self) -> None:
        """Carry what is due, for ever."""
        while True:
            self._wake.clear()
            now = self._desk.now()
            for contact in [each for each, at in self._owed.items() if at <= now]:
                del self._owed[contact]
                self._fly(self._acknowledge(contact))
            await self._take_off(now)
            await self._until(self.next_at)

    async def _take_off(self, now: float) -> None:
        """Carry what is due, as far as there is room."""
        count = 0
        while len(self._flying) < limits.NODE_SENDING_MAX:
            taken = self._desk.courier.take(now)
            if taken is None:
                return
            self._fly(self._carry(*taken))
            count += 1
            if count % ABREAST == 0:
                await asyncio.sleep(0)

    async def _until(self, at: float) -> None:
        if at == float("inf") or len(self._flying) >= limits.NODE_SENDING_MAX:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout_at(at):
                await self._wake.wait()
        except TimeoutError:
            return  # something is due

    def _fly(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="holdfast-node-post")
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._desk.report(
                ErrorCategory.SYSTEM, ErrorSeverity.HIGH, type(error).__name__, str(error)
            )

    async def close(self) -> None:
        """Carry nothing more; what flies may arrive or not."""
        tasks = [*self._flying, *([] if self._noting is None else [self._noting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one attempt ------------------------------------------------------------------------

    async def _carry(self, key: Key, copies: int) -> None:
        contact, seq = key
        courier = self._desk.courier
        taken, retry_after, at = False, 0.0, b""
        try:
            row = await self._desk.database.fetch_one(ROW, (contact, seq))
            view = self._desk.views.get(contact)
            if row is None or view is None:
                courier.done(key)
                return
            self._told[contact] = view.epoch, view.through
            epoch, cipher, payload, expires_ms, mark = cast(
                "tuple[int, int, bytes, int, bytes]", row
            )
            ttl = max(SHORTEST, (expires_ms - self._desk.now_ms()) / 1000)
            async with asyncio.timeout(ttl):  # what has expired must not be on its way any more
                frame = Frame(epoch, seq, Cipher(cipher), payload, mark=mark)
                at = await self._deliver(view, frame, copies, ttl, courier.lies_at(key))
            taken = True
            if self._says_all(contact, view):
                self._owed.pop(contact, None)
            self._note((contact, epoch, seq))
        except TimeoutError:
            pass  # it has expired; what fills its place is carried next
        except ResilienceError as error:
            retry_after = error.retry_after or 0.0
            self._failed(contact, error)
        finally:
            courier.landed(key, self._desk.now(), taken=taken, retry_after=retry_after, at=at)

    async def _acknowledge(self, contact: ContactId) -> None:
        view = self._desk.views.get(contact)
        if view is None or not view.facts.places:
            self._told.pop(contact, None)
            self._told_at.pop(contact, None)
            return  # nobody to tell yet, or any more
        self._told[contact] = view.epoch, view.through
        last = self._told_at.get(
            contact, b""
        )  # which may have thrown it away: another one is asked each time
        try:
            frame = Frame(view.epoch, 0, Cipher.NOTHING, b"")
            self._told_at[contact] = await self._deliver(view, frame, lies_at=last)
        except ResilienceError as error:
            self._failed(contact, error)

    def _says_all(self, contact: ContactId, view: View) -> bool:
        """Say whether nothing came since a frame was made, which it would have to acknowledge."""
        now = self._desk.views.get(contact)
        return now is not None and (now.through, now.runs) == (view.through, view.runs)

    async def _nothing(self, contact: ContactId, seqs: list[int]) -> None:
        """The contact was set back and waits for what is gone: fill the gaps, one after the other.

        So a contact who only says so costs no more than one envelope at a time, however often he says it.
        """
        try:
            for seq in sorted(set(seqs))[: limits.NODE_GAPS_MAX]:
                view = self._desk.views.get(contact)
                if view is None:
                    return
                await self._deliver(view, Frame(view.epoch, seq, Cipher.NOTHING, b""))
        except ResilienceError as error:
            self._failed(contact, error)
        finally:
            self._filling.discard(contact)

    async def _ask(self, contact: ContactId, epoch: int, prekey: bytes) -> None:
        """We were set back: ask for a new session; asked again when it is lost."""
        view = self._desk.views.get(contact)
        if view is None:
            return
        try:
            await self._deliver(view, Frame(epoch, 0, Cipher.ANEW, prekey))
        except ResilienceError as error:
            self._failed(contact, error)

    def _failed(self, contact: ContactId, error: ResilienceError) -> None:
        view = self._desk.views.get(contact)
        name = "" if view is None else view.facts.name or view.facts.told_name
        self._desk.report(
            ErrorCategory.GATEWAY,
            ErrorSeverity.LOW,
            error.name,
            f"Something for {name or 'a contact'} could not be left at a gateway and is tried again: {error.message}"
            f"{NOBODY_THERE if error.code == ErrorCode.MAILBOX_UNKNOWN else ''}",
        )

    async def _deliver(
        self,
        view: View,
        frame: Frame,
        copies: int = 0,
        ttl: float = limits.NODE_TTL,
        lies_at: bytes = b"",
    ) -> bytes:
        """Leave a frame at one gateway of a contact; raises ResilienceError when none took it.

        Returns:
            The mailbox that took it; the one where it lies already is asked last.
        """
        places = self._choose(view)
        if not places:
            raise EnvelopeError("The contact has not said yet where he can be reached.")
        if lies_at:  # to turn the list is not enough: its order is another one each time
            places.sort(key=lambda each: each[1].mailbox == lies_at)
        else:
            turn = copies % len(places)
            places = [*places[turn:], *places[:turn]]
        taker = await self._hedged(view, frame, places, min(ttl, limits.NODE_TTL))
        self.sent += 1
        return taker.mailbox

    def _choose(self, view: View) -> list[tuple[Gate, Place]]:
        settings = self._desk.settings
        try:
            found = self._gates.ranked(view.identity, view.facts.places)
        except Exception as error:  # whatever is wrong with the choice, messages go on
            if not settings.fallback:
                raise
            if not self.is_plain:
                self.is_plain = True
                reason = f"The choice of gateways failed ({type(error).__name__}: {error})."
                self._desk.report(
                    ErrorCategory.SYSTEM, ErrorSeverity.HIGH, "FALLBACK", f"{reason} They are taken in turn."
                )  # fmt: skip
                self._desk.tell(PlainChanged(is_plain=True, reason=reason))
            return [
                (self._gates.get(view.identity, place.gateway), place)
                for place in view.facts.places
            ]
        if self.is_plain:
            self.is_plain = False
            self._desk.tell(PlainChanged(is_plain=False))
        return found

    async def _hedged(
        self, view: View, frame: Frame, places: list[tuple[Gate, Place]], ttl: float
    ) -> Place:
        """Ask one gateway after the other, and the next one early when the first is late; return who took it."""
        settings = self._desk.settings
        flying: dict[asyncio.Task[None], tuple[Gate, Place]] = {}
        failure: ResilienceError | None = None
        waiting = list(places)
        barred: list[tuple[Gate, Place]] = []
        is_last_resort = False
        try:
            while flying or waiting:
                timeout = None
                if waiting:
                    gate, place = waiting.pop(0)
                    work = gate.deposit(
                        place, self.sealed(view, frame), ttl, is_barred=is_last_resort
                    )
                    task = asyncio.get_running_loop().create_task(
                        work, name="holdfast-node-deposit"
                    )
                    flying[task] = gate, place
                    if settings.hedge and waiting:
                        timeout = gate.late_after
                done, _ = await asyncio.wait(
                    flying, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    self.hedges += 1
                    continue
                landed = [(flying.pop(task), task.exception()) for task in done]
                takers = [place for (_, place), error in landed if error is None]
                if takers:
                    self.failovers += failure is not None
                    return takers[0]
                for found, error in landed:
                    failure = _sooner(failure, error)
                    if isinstance(error, CircuitBreakerOpenError):
                        barred.append(found)
                if not (flying or waiting or is_last_resort):  # rather one that failed than none
                    now, is_last_resort = self._desk.now(), True
                    waiting = [each for each in barred if each[0].is_last_resort(now)]
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
        assert failure is not None, "there was a place"
        raise failure

    def sealed(self, view: View, frame: Frame) -> bytes:
        """Put the present acknowledgement on a frame, sign it, and seal it for the contact."""
        facts = view.facts
        told = Frame(
            frame.epoch, frame.seq, frame.cipher, frame.payload,
            view.epoch, view.through, view.runs, frame.mark, view.mark,
        )  # fmt: skip
        is_guest_yet = not facts.is_host and len(facts.seal) != SealKey.SIZE
        secret = facts.first_secret if is_guest_yet else facts.secret
        keys = self._desk.keyring
        signed = keys.pair(secret, is_host=facts.is_host).signed(encode(told))
        if len(facts.seal) == SealKey.SIZE:
            return keys.seal(facts.seal).seal(signed)
        return InvitationSealKey(facts.seal, facts.first_secret, self._desk.world).seal(signed)

    # --- where it lies ----------------------------------------------------------------------

    def _note(self, taken: tuple[str, int, int]) -> None:
        """Note that something lies at a gateway, once for all that came meanwhile."""
        self._taken.append(taken)
        if self._noting is None or self._noting.done():
            loop = asyncio.get_running_loop()
            self._noting = loop.create_task(self._noted(), name="holdfast-node-noted")

    async def _noted(self) -> None:
        while self._taken:
            taken, self._taken = self._taken, []
            try:
                await self._desk.do(lambda work, taken=taken: _sending.lie_at_gateway(work, taken))  # type: ignore[misc]
            except ResilienceError as error:  # it only shows less than is so
                self._desk.report(
                    ErrorCategory.SYSTEM, ErrorSeverity.MEDIUM, error.name, error.message
                )


def _sooner(failure: ResilienceError | None, error: BaseException | None) -> ResilienceError:
    """Return the failure that may be over first: it says when to try again."""
    if not isinstance(error, ResilienceError):
        assert error is not None, "a success is no failure"
        raise error
    is_sooner = failure is None or (error.retry_after or 0.0) < (failure.retry_after or 0.0)
    return error if is_sooner or failure is None else failure
