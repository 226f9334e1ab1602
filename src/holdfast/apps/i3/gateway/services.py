"""What a gateway answers to other muds by itself: who is here, where somebody is, tokens, signs of life. No I/O.

Who asks more than ``limits.ANSWERS_RATE`` a second gets no answers for a while: an answer costs us a turn at the
router, and a mud that asks without end would take all of them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypedDict

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import Fault
from holdfast.resilience.rate_limit import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.apps.i3.gateway.model import Player
    from holdfast.apps.i3.gateway.presence import Presence
    from holdfast.apps.i3.gateway.tokens import Tokens
    from holdfast.apps.i3.packets import Packet

GENDER_OTHER: Final = 2


class _Header(TypedDict):
    """The header of an answer."""

    from_mud: str
    to_mud: str
    to_user: str


class Services:
    """Answers.

    Args:
        name: of our mud.
        presence: who is here.
        tokens: for connections out of band.
        draw_token: draws one that nobody can guess.
        listens: the channels that are listened to.
    """

    def __init__(
        self,
        name: str,
        presence: Presence,
        tokens: Tokens,
        draw_token: Callable[[], int],
        listens: Mapping[str, bool],
    ) -> None:
        self._name = name
        self._presence = presence
        self._tokens = tokens
        self._draw_token = draw_token
        self._listens = listens
        self._turns: OrderedDict[str, TokenBucket] = OrderedDict()
        self._seen: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()
        self.unanswered = 0

    def answer(self, packet: Packet, now: float) -> Packet | None:
        """Return the answer to a question, None when there is none to give."""
        if isinstance(packet, packets.UcacheUpdate):
            self._saw(packet.from_mud, packet)
            return None
        answer = _ANSWERS.get(type(packet))
        if answer is None:
            return None
        if not self._has_turn(packet.from_mud, now):
            self.unanswered += 1
            return None
        return answer(self, packet, now)

    def shown(self, mud: str, user: str) -> str:
        """Return how a player elsewhere is shown, as far as that was told."""
        return self._seen.get((mud, user), (user, GENDER_OTHER))[0]

    # --- answers ----------------------------------------------------------------------------

    def _who(self, packet: packets.WhoReq, now: float) -> Packet:
        rows = tuple(
            packets.WhoRow(player.name, player.idle, player.title or player.status)
            for player in self._presence.players(now).values()
        )
        return packets.WhoReply(**self._back(packet), rows=rows)

    def _finger(self, packet: packets.FingerReq, now: float) -> Packet:
        player = self._player(packet.user, now)
        if player is None:
            return self.refusal(packet, Fault.UNKNOWN_USER, f"There is no {packet.user} here.")
        about = (player.race, player.guild, player.location, player.status)
        return packets.FingerReply(
            **self._back(packet),
            visname=player.name,
            title=player.title,
            real_name="",
            email="",
            login_time=player.login_time,
            idle=player.idle,
            ip_name="",
            level=str(player.level) if player.level else "",
            extra="\n".join(each for each in about if each),
        )

    def _locate(self, packet: packets.LocateReq, now: float) -> Packet | None:
        player = self._player(packet.user, now)
        if player is None or packet.from_mud == self._name:
            return None
        return packets.LocateReply(
            **self._back(packet),
            located_mud=self._name,
            located_visname=player.name,
            idle=player.idle,
            status=player.status,
        )

    def _channel_who(self, packet: packets.ChanWhoReq, now: float) -> Packet:
        if packet.channel not in self._listens:
            return self.refusal(packet, Fault.UNKNOWN_CHANNEL, "Nobody here hears that channel.")
        here = tuple(player.name for player in self._presence.players(now).values())
        return packets.ChanWhoReply(**self._back(packet), channel=packet.channel, visnames=here)

    def _channel_user(self, packet: packets.ChanUserReq, now: float) -> Packet:
        player = self._player(packet.user, now)
        if player is None:
            return self.refusal(packet, Fault.UNKNOWN_USER, f"There is no {packet.user} here.")
        reply = packets.ChanUserReply
        user = packet.user.lower()
        return reply(**self._back(packet), user=user, visname=player.name, gender=GENDER_OTHER)

    def _token(self, packet: packets.AuthMudReq, now: float) -> Packet:
        token = self._draw_token()
        self._tokens.give(packet.from_mud, token, now)
        return packets.AuthMudReply(**self._back(packet), token=token)

    def _announced(self, packet: packets.OobReq, now: float) -> None:
        self._tokens.announced(packet.from_mud, now)

    def _ping(self, packet: packets.PingReq, _: float) -> Packet:
        return packets.PingReply(**self._back(packet), token=packet.token)

    def refusal(self, packet: Packet, fault: Fault, message: str) -> Packet:
        """Make the error that answers a packet, which comes back with it."""
        value = packets.write(packet)
        is_short = sum(len(str(each)) for each in value) <= limits.ERROR_PACKET_BYTES_MAX
        return packets.ErrorPacket(
            **self._back(packet), code=fault, message=message, packet=value if is_short else None
        )

    def _player(self, user: str, now: float) -> Player | None:
        return self._presence.players(now).get(user.lower())

    def _back(self, packet: Packet) -> _Header:
        return {
            "from_mud": self._name,
            "to_mud": packet.from_mud,
            "to_user": packet.from_user,
        }

    # --- memory -----------------------------------------------------------------------------

    def _has_turn(self, mud: str, now: float) -> bool:
        bucket = self._turns.pop(mud, None)
        if bucket is None:
            bucket = TokenBucket(limits.ANSWERS_RATE, limits.ANSWERS_BURST)
            if len(self._turns) >= limits.MUDS_MAX:
                self._turns.popitem(last=False)
        self._turns[mud] = bucket
        return bucket.take(now) == 0.0

    def _saw(self, mud: str, packet: packets.UcacheUpdate) -> None:
        key = (mud, packet.user.lower())
        self._seen.pop(key, None)
        self._seen[key] = (packet.visname, packet.gender)
        if len(self._seen) > limits.SEEN_MAX:
            self._seen.popitem(last=False)


_ANSWERS: Final[dict[type[packets.Packet], Callable[[Services, Any, float], Packet | None]]] = {
    packets.WhoReq: Services._who,
    packets.FingerReq: Services._finger,
    packets.LocateReq: Services._locate,
    packets.ChanWhoReq: Services._channel_who,
    packets.ChanUserReq: Services._channel_user,
    packets.AuthMudReq: Services._token,
    packets.OobReq: Services._announced,
    packets.PingReq: Services._ping,
}
