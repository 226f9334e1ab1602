"""The quiz on the hub: who may come in, what messages do, what is shown to whom.

Every change of a game ends in ``_show``: it compares what is true now with what was published last and
publishes the difference. Counts are held back so that they are sent at most twice a second.
"""

from __future__ import annotations

import hmac
import logging
from functools import partial
from typing import TYPE_CHECKING

from holdfast.apps.quiz import limits, store, views
from holdfast.apps.quiz.errors import QuizCode, QuizError
from holdfast.apps.quiz.event import Event
from holdfast.apps.quiz.library import EventInfo, Library, SeatInfo
from holdfast.apps.quiz.machine import RUNNING, Game, Phase, Seat, SeatState
from holdfast.apps.quiz.model import (
    Answer,
    Claim,
    End,
    HostAuth,
    Lock,
    Next,
    PlayerAuth,
    Remove,
    Skip,
    read_auth,
    read_host_message,
    read_player_message,
)
from holdfast.session import PresenceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.apps.quiz.library import OpenedEvent
    from holdfast.apps.quiz.model import HostMessage, Quiz, Timing
    from holdfast.session import Handshake, Hub, Session, Transaction

log = logging.getLogger("holdfast.quiz")

HELD_BACK = frozenset({"answered", "players", "arrivals"})
"""Fields of the stage that change with every participant."""


class QuizApp:
    """Implements ``holdfast.session.Application``."""

    name = "quiz"
    migrations: Sequence[str] = store.MIGRATIONS

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.codes: dict[str, Event] = {}
        self._hub: Hub | None = None
        self.library = Library(self)

    @property
    def hub(self) -> Hub:
        """The hub that this runs on."""
        assert self._hub is not None, "load comes first"
        return self._hub

    # --- Application ------------------------------------------------------------------------

    async def load(self, hub: Hub) -> None:
        """Read everything back and go on where the last process was."""
        self._hub = hub
        self.events.clear()
        self.codes.clear()
        now = hub.now_ms()
        for found in await hub.database.read(store.load_events):
            event = Event(
                found.id, found.code, found.author, found.host_key, found.title,
                found.created_ms, found.game,
            )  # fmt: skip
            for row in found.seats:
                event.seat_keys[row.key] = row.seat.id
                event.names[row.folded] = row.seat.id
                if row.owner:
                    event.owners[row.seat.id] = row.owner
                    row.seat.state = SeatState.GONE
            event.game.restored(found.alive_ms, now)
            self.events[event.id] = self.codes[event.code] = event
        for session in hub.sessions.values():
            self._recognise(session)
        for event in self.events.values():
            hub.apply(partial(self._show_anew, event=event))
        hub.at(now + limits.SWEEP_INTERVAL_MS, self._sweep)
        await self.library.add_sample()

    def open(self, tx: Transaction, session: Session, auth: bytes, handshake: Handshake) -> None:
        """Admit a player, a host or a screen."""
        wish = read_auth(auth)
        event = self.event(wish.event)
        if isinstance(wish, PlayerAuth):
            key = wish.key or handshake.cookies.get(f"holdfast_seat_{event.id}", "")
            seat = self._seat_of(event, key)
            session.principal = f"player:{event.id}:{seat.id}"
            self._give_seat(tx, event, seat, session)
        elif isinstance(wish, HostAuth):
            key = wish.key or handshake.cookies.get(f"holdfast_host_{event.id}", "")
            if not hmac.compare_digest(store.key_hash(key), event.host_key):
                raise QuizError(QuizCode.NOT_THE_HOST, "This is not the host's key.")
            session.principal = f"host:{event.id}:"
            session.tier = "operator"
            event.hosts.add(session.id)
            tx.join(session, event.host_channel)
        else:
            session.principal = f"screen:{event.id}:"
            session.tier = "anonymous"
        tx.join(session, event.channel)

    def message(self, tx: Transaction, session: Session, body: bytes) -> object | None:
        """Do what a player or the host asks for."""
        role, event, seat = self._whose(session)
        if event is None:
            raise QuizError(QuizCode.EVENT_OVER, "This event is over.")
        if role == "host":
            return self._host_message(tx, event, read_host_message(body))
        if seat is None:
            raise QuizError(QuizCode.NOT_THE_HOST, "A screen only shows.")
        message = read_player_message(body)
        if isinstance(message, Claim):
            if seat.is_removed:
                raise QuizError(QuizCode.SEAT_REMOVED, "The host has removed you from this quiz.")
            self._give_seat(tx, event, seat, session)
            return {}
        return self._answer(tx, event, seat, message, session)

    def snapshot(self, session: Session, channel: str) -> object:
        """Return the state of a channel."""
        _, event, seat = self._whose(session)
        if event is None:
            return {}
        if channel == event.channel:
            # What was published last, so that it fits the channel's offset; counts may be newer.
            return event.shown | views.stage(event, self.hub.now_ms())
        if channel == event.host_channel:
            game = event.game
            rows = {s.id: views.roster_row(game, s, s.state) for s in game.present()}
            return {"roster": rows}
        return {} if seat is None else self._own_view(event, seat, session)

    def presence(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        """Note who came, went, or is gone."""
        role, event, seat = self._whose(session)
        if event is None:
            return
        if role == "host":
            event.hosts.add(session.id)
            if state is PresenceState.DISCONNECTED:
                event.hosts.discard(session.id)
            self._show(tx, event)
        elif seat is not None and event.owners.get(seat.id) == session.id:
            self._seat_presence(tx, event, seat, session, state)

    # --- finding ----------------------------------------------------------------------------

    def event(self, event_id: str) -> Event:
        """Return an event; raises QuizError 10001."""
        event = self.events.get(event_id)
        if event is None:
            raise QuizError(QuizCode.EVENT_NOT_FOUND, "There is no such event (any more).")
        return event

    def _seat_of(self, event: Event, key: str) -> Seat:
        seat_id = event.seat_keys.get(store.key_hash(key))
        if seat_id is None:
            raise QuizError(QuizCode.SEAT_UNKNOWN, "This device has no seat in the event.")
        seat = event.game.seats[seat_id]
        if seat.is_removed:
            raise QuizError(QuizCode.SEAT_REMOVED, "The host has removed you from this quiz.")
        return seat

    def _whose(self, session: Session) -> tuple[str, Event | None, Seat | None]:
        role, _, rest = session.principal.partition(":")
        event_id, _, seat_id = rest.partition(":")
        event = self.events.get(event_id)
        return role, event, None if event is None else event.game.seats.get(seat_id)

    def _recognise(self, session: Session) -> None:
        """Take a session that was found in the store into its event again."""
        role, event, seat = self._whose(session)
        session.tier = {"host": "operator", "screen": "anonymous"}.get(role, "member")
        if event is None:
            return
        if role == "host" and session.presence is not PresenceState.DISCONNECTED:
            event.hosts.add(session.id)
        is_expected = session.presence is PresenceState.TEMPORARILY_DISCONNECTED
        if seat is not None and is_expected and event.owners.get(seat.id) == session.id:
            seat.state = SeatState.AWAY

    # --- people -----------------------------------------------------------------------------

    def take_seat(self, event: Event, name: str, folded: str, key: str) -> tuple[SeatInfo, bool]:
        """Find the seat of a key, or prepare a new one.

        Returns:
            The seat, and whether it is new: then ``admit`` has to follow in the same turn.

        Raises:
            QuizError: the event is over, locked or full, or the name is taken.
        """
        seat_id = event.seat_keys.get(store.key_hash(key))
        if seat_id is not None:
            seat = self._seat_of(event, key)
            return SeatInfo(event.id, event.code, seat.id, seat.name), False
        if event.game.phase is Phase.FINAL:
            raise QuizError(QuizCode.EVENT_OVER, "This quiz is over.")
        if event.game.progress.is_locked:
            raise QuizError(QuizCode.EVENT_LOCKED, "The host lets nobody else in.")
        if folded in event.names:
            raise QuizError(QuizCode.NAME_TAKEN, f"“{name}” is taken; choose another name.")
        if len(event.game.seats) >= limits.SEATS_PER_EVENT_MAX:
            raise QuizError(QuizCode.EVENT_FULL, "This event is full.")
        return SeatInfo(event.id, event.code, self.hub.world.new_id(), name), True

    def admit(self, tx: Transaction, event: Event, info: SeatInfo, folded: str, key: str) -> None:
        """Give a new participant a seat."""
        seat = Seat(info.seat, info.name, since_ms=tx.now_ms)
        hashed = store.key_hash(key)
        account = seat.account
        number = len(event.game.seats)
        tx.execute(
            store.ADD_SEAT,
            (
                seat.id,
                event.id,
                number,
                seat.name,
                folded,
                hashed,
                account.quota_ms,
                account.silence_ms,
            ),
        )
        event.seat_keys[hashed] = seat.id
        event.names[folded] = seat.id
        event.game.admit(seat)
        event.touched[seat.id] = None
        self._show(tx, event)

    def _give_seat(self, tx: Transaction, event: Event, seat: Seat, session: Session) -> None:
        """Let this session play the seat; the one that did is told. The newest wins."""
        before = self.hub.sessions.get(event.owners.get(seat.id, ""))
        event.owners[seat.id] = session.id
        tx.execute(store.SET_OWNER, (session.id, seat.id))
        event.shown_own.pop(seat.id, None)
        if before is not None and before.id != session.id:
            tx.tell(before, {"active": False})
        if session.presence is PresenceState.CONNECTED:
            tx.tell(session, self._own_view(event, seat, session))
            self._seat_presence(tx, event, seat, session, session.presence)

    def _seat_presence(
        self, tx: Transaction, event: Event, seat: Seat, session: Session, state: PresenceState
    ) -> None:
        seat.round_trip_ms = session.rtt_ms()
        event.touched[seat.id] = None
        if state is PresenceState.CONNECTED:
            event.game.came(seat, tx.now_ms)
        elif state is PresenceState.DISCONNECTED:
            event.game.gone(seat)
        else:
            event.game.went(seat, session.last_heard_ms)
            # Shown when it turns out to be more than a blip.
            self.hub.at(tx.now_ms + limits.BLIP_MS, partial(self._show, event=event))
        self._go_on(tx, event)

    # --- messages ---------------------------------------------------------------------------

    def _answer(
        self, tx: Transaction, event: Event, seat: Seat, message: Answer, session: Session
    ) -> object:
        seat.round_trip_ms = session.rtt_ms()
        given, is_new = event.game.answer(seat, message, tx.now_ms)
        number = message.question
        if is_new:
            row = (
                seat.id, number, store.choices_json(given.choices),
                given.effective_ms, given.points, given.is_right,
            )  # fmt: skip
            tx.execute(store.ADD_ANSWER, row)
            account = seat.account
            tx.execute(store.SET_ACCOUNT, (account.quota_ms, account.silence_ms, seat.id))
            event.touched[seat.id] = None
            self._go_on(tx, event)
        return {
            "question": number,
            "choices": list(given.choices),
            "effective_ms": given.effective_ms,
        }

    def _host_message(self, tx: Transaction, event: Event, message: HostMessage) -> object:
        game = event.game
        if isinstance(message, Lock):
            game.progress.is_locked = message.locked
            self._keep(tx, event)
            return {}
        if isinstance(message, Remove):
            seat = game.remove(message.seat)
            tx.execute(store.SET_REMOVED, (seat.id,))
            event.touched[seat.id] = None
            self._go_on(tx, event)
            return {}
        for seat in game.present():
            owner = self.hub.sessions.get(event.owners.get(seat.id, ""))
            if owner is not None:
                seat.round_trip_ms = owner.rtt_ms()
        changed = False
        if isinstance(message, Next):
            changed = game.advance(message.phase, message.question, tx.now_ms)
        elif isinstance(message, Skip):
            changed = game.skip(message.question, tx.now_ms)
        elif isinstance(message, End):
            changed = game.end()
        if changed:
            self._keep(tx, event)
        return {"phase": game.phase.value, "question": game.progress.question}

    # --- what follows a change --------------------------------------------------------------

    def _go_on(self, tx: Transaction, event: Event) -> None:
        """Open, close or reveal what is due now, and show it."""
        if event.game.on_time(tx.now_ms):
            self._keep(tx, event)
        else:
            self._show(tx, event)

    def _keep(self, tx: Transaction, event: Event) -> None:
        """Write how far the game has come, and show it."""
        progress = store.progress_json(event.game.progress)
        tx.execute(store.SET_PROGRESS, (progress, tx.now_ms, event.id))
        event.touched.update(dict.fromkeys(event.game.seats))
        self._show(tx, event)

    def _show_anew(self, tx: Transaction, event: Event) -> None:
        """Say all again to those who resume by replay: the last process may have died holding back."""
        game = event.game
        if game.phase in RUNNING:
            # Its times were moved by the outage: with the next mark of life they have to fit.
            row = (store.progress_json(game.progress), tx.now_ms, event.id)
            tx.execute(store.SET_PROGRESS, row)
        rows = {seat.id: views.roster_row(game, seat, seat.state) for seat in game.present()}
        event.shown_roster = dict(rows)
        if rows:
            tx.publish(event.host_channel, {"roster": rows})
        self._show(tx, event)

    def _show(self, tx: Transaction, event: Event) -> None:
        """Publish what differs from what was published last, and set the clocks."""
        game = event.game
        event.host_state = "connected" if event.hosts else "disconnected"
        current = views.stage(event, tx.now_ms)
        patch = views.patch(event.shown, current)
        if set(patch) - HELD_BACK:
            event.shown = current
            tx.publish(event.channel, patch)
        elif patch and event.counting is None:
            event.counting = self.hub.at(
                tx.now_ms + limits.COUNTS_INTERVAL_MS, partial(self._show_counts, event=event)
            )
        self._show_seats(tx, event)
        self._set_clock(event)
        if game.phase in RUNNING and event.alive is None:
            event.alive = self.hub.at(
                tx.now_ms + limits.ALIVE_INTERVAL_MS, partial(self._mark_alive, event=event)
            )

    def _show_counts(self, tx: Transaction, event: Event) -> None:
        event.counting = None
        current = views.stage(event, tx.now_ms)
        patch = views.patch(event.shown, current)
        if patch:
            event.shown = current
            tx.publish(event.channel, patch)

    def _show_seats(self, tx: Transaction, event: Event) -> None:
        """Tell participants and the host what has changed about seats."""
        touched, event.touched = event.touched, {}
        rows: dict[str, object] = {}
        game = event.game
        standing = {seat.id: rank for seat, _, rank in game.standing()} if touched else {}
        for seat_id in touched:
            seat = game.seats[seat_id]
            if seat.state is SeatState.AWAY and tx.now_ms < seat.since_ms + limits.BLIP_MS:
                event.touched[seat_id] = None  # perhaps a blip: looked at again when it is more
            else:
                row = None if seat.is_removed else views.roster_row(game, seat, seat.state)
                if event.shown_roster.get(seat_id) != row:
                    event.shown_roster[seat_id] = rows[seat_id] = row
            owner = self.hub.sessions.get(event.owners.get(seat_id, ""))
            if owner is None:
                continue
            mine = views.own(game, seat, standing.get(seat_id, 0))
            patch = views.patch(event.shown_own.get(seat_id, {}), mine)
            if patch:
                event.shown_own[seat_id] = mine
                tx.tell(owner, patch)
        if rows:
            tx.publish(event.host_channel, {"roster": rows})

    def _own_view(self, event: Event, seat: Seat, session: Session) -> dict[str, object]:
        ranks = {other.id: rank for other, _, rank in event.game.standing()}
        mine = views.own(event.game, seat, ranks.get(seat.id, 0))
        is_active = event.owners.get(seat.id) == session.id
        if is_active:
            event.shown_own[seat.id] = mine
        return mine | {"active": is_active}

    # --- time -------------------------------------------------------------------------------

    def _set_clock(self, event: Event) -> None:
        if event.clock is not None:
            event.clock.cancel()
            event.clock = None
        deadline = event.game.next_deadline()
        now = self.hub.now_ms()
        closes = event.game.progress.closes_at
        if deadline is not None:
            if event.game.phase is Phase.QUESTION and now < closes < deadline:
                deadline = closes  # then it is shown how many the reveal waits for
            event.clock = self.hub.at(deadline, partial(self._on_clock, event=event))

    def _on_clock(self, tx: Transaction, event: Event) -> None:
        event.clock = None
        self._go_on(tx, event)

    def _mark_alive(self, tx: Transaction, event: Event) -> None:
        event.alive = None
        if event.game.phase in RUNNING and event.id in self.events:
            tx.execute(store.SET_ALIVE, (tx.now_ms, event.id))
            event.alive = self.hub.at(
                tx.now_ms + limits.ALIVE_INTERVAL_MS, partial(self._mark_alive, event=event)
            )

    def _sweep(self, tx: Transaction) -> None:
        """Forget events that are a day old, with all that belongs to them."""
        oldest = tx.now_ms - limits.EVENT_TTL_MS
        over = [event for event in self.events.values() if event.created_ms < oldest]
        for event in over:
            log.info("event %s is over and forgotten", event.id)
            for timer in (event.clock, event.counting, event.alive):
                if timer is not None:
                    timer.cancel()
            error = QuizError(QuizCode.EVENT_OVER, "This event is over.")
            for session in tuple(self.hub.sessions.values()):
                if self._whose(session)[1] is event:
                    tx.end(session, error)
            tx.drop_channel(event.channel)
            tx.drop_channel(event.host_channel)
            tx.execute(store.REMOVE_EVENT, (event.id,))
            del self.events[event.id], self.codes[event.code]
        self.hub.at(tx.now_ms + limits.SWEEP_INTERVAL_MS, self._sweep)

    # --- events -----------------------------------------------------------------------------

    def add_event(
        self, tx: Transaction, opened: OpenedEvent, quiz: Quiz, timing: Timing, author: bytes
    ) -> None:
        """Open an event."""
        game = Game(quiz.questions, timing)
        host_key = store.key_hash(opened.key)
        event = Event(opened.event, opened.code, author, host_key, quiz.title, tx.now_ms, game)
        tx.execute(
            store.ADD_EVENT,
            (
                event.id, event.code, author, host_key, event.title,
                store.questions_json(quiz.questions), timing.value,
                store.progress_json(game.progress), tx.now_ms, tx.now_ms,
            ),
        )  # fmt: skip
        self.events[event.id] = self.codes[event.code] = event
        event.shown = views.stage(event, tx.now_ms)

    def info(self, event: Event) -> EventInfo:
        """Describe an event to its author."""
        players = sum(1 for _ in event.game.present())
        return EventInfo(event.id, event.code, event.title, event.game.phase.value, players)
