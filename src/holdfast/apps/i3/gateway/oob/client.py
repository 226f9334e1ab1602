"""The asking side of an out-of-band connection: one request, one answer, and good-bye."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error, PacketError
from holdfast.apps.i3.gateway.oob.conversation import WITH_TOKEN
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.errors import RemoteProtocolError

if TYPE_CHECKING:
    from holdfast.apps.i3.packets import OobPacket, Packet

    Reply = OobPacket | Packet | int | list[object]


class OobClient:
    """Asks one mud.

    Args:
        own: the name of our mud.
        mud: who is asked, for errors.
        host: where it listens.
        port: of its out-of-band service.
        token: that it gave us, None when it was only told that we come.
    """

    def __init__(self, own: str, mud: str, host: str, port: int, token: int | None) -> None:
        self._own, self._mud = own, mud
        self._host, self._port = host, port
        self._token = token

    async def ask(self, request: OobPacket | Packet, timeout: float) -> Reply:  # noqa: ASYNC109 - told as ours
        """Connect, ask, and return the answer: a packet, or what is none, as answers about news are.

        Raises:
            I3Error: 11041; it could not be reached, did not let us in, or did not answer in time; or it answered
                with an error, then ``fault`` in the details is its code.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._asked(request)
        except TimeoutError as error:
            raise self._failed(f"has not answered out of band within {timeout:g} s") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise self._failed(
                "ended the connection out of band, or could not be reached"
            ) from error
        except (PacketError, RemoteProtocolError) as error:
            raise self._failed(f"said something that cannot be read: {error.message}") from error

    async def _asked(self, request: OobPacket | Packet) -> Reply:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            framing = Mudmode(limits.OOB_MESSAGE_BYTES_MAX)
            auth = 0 if self._token is None else WITH_TOKEN
            begin = packets.OobBegin(mud=self._own, auth=auth, token=self._token or 0)
            for said, wanted in ((begin, packets.OobBegin), (request, None)):
                writer.write(framing.encode(packet(packets.write(said))))
                await writer.drain()
                answer = await self._answer(reader, framing)
                if isinstance(answer, packets.OobError | packets.ErrorPacket):
                    why = (answer.message or answer.code).rstrip(".")
                    raise self._failed(f"refuses: {why}", answer.code)
                if wanted is not None and not isinstance(answer, wanted):
                    raise self._failed("answered out of turn")
            writer.write(framing.encode(packet(packets.write(packets.OobEnd(mud=self._own)))))
            await writer.drain()
            return answer
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, framing: Mudmode) -> Reply:
        """Read until the next packet; what follows it in the same bytes is no answer to anything."""
        while True:
            data = await reader.read(limits.OOB_MESSAGE_BYTES_MAX)
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            for frame in framing.feed(data):
                assert isinstance(frame, bytes), "there is no control in this framing"
                found = packets_of(frame)
                if found.values:
                    return _reply(found.values[0])
                assert found.error is not None, "a frame has a value or an error"
                raise PacketError(found.error.message)

    def _failed(self, what: str, fault: str = "") -> I3Error:
        return I3Error(I3Code.OOB_FAILED, f"{self._mud} {what}.", retry_after=30.0, fault=fault)


def _reply(value: object) -> Reply:
    """Make a packet of an answer that has a type; one that has none stays what it is.

    Raises:
        PacketError: it is neither.
    """
    if isinstance(value, int) or (
        isinstance(value, list) and not (value and isinstance(value[0], str))
    ):
        return value
    return packets.read_oob(value)
