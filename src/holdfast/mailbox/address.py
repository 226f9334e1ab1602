"""Where a gateway is, and by which key it is known: what an invitation carries of it.

::

    gateway://5fX…43 characters…Qk@gateway.example:8410
    gateway://5fX…@gateway.example:8410?onion=abc…xyz.onion

The pin is the SHA-256 of the gateway's public key (its SubjectPublicKeyInfo, as in RFC 7469). No authority vouches for
a gateway: who gave us the address did.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from holdfast.world import text_of

SCHEME: Final = "gateway"
PIN_BYTES: Final = 32
PORT_MAX: Final = 65_535
HOST_MAX: Final = 253
"""Characters of a name in the DNS."""

_NAME: Final = re.compile(r"[A-Za-z0-9._:%-]+")
_ONION: Final = re.compile(r"[a-z2-7]{56}\.onion")


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """A gateway: the same one wherever the pin is the same.

    Args:
        host: a name or an address; that of its onion service when it has no other.
        port: of TCP.
        pin: SHA-256 of its public key, 32 bytes.
        onion: its onion service of version 3, on the same port; None when it has none.

    Raises:
        ValueError: a part cannot be one.
    """

    host: str
    port: int
    pin: bytes
    onion: str | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.host) <= HOST_MAX or not _NAME.fullmatch(self.host):
            raise ValueError(f"{self.host!r} is no host of a gateway.")
        if not 0 < self.port <= PORT_MAX:
            raise ValueError(f"{self.port} is no port of a gateway.")
        if len(self.pin) != PIN_BYTES:
            raise ValueError(f"A gateway's pin has {PIN_BYTES} bytes, not {len(self.pin)}.")
        if self.onion is not None and not _ONION.fullmatch(self.onion):
            raise ValueError(f"{self.onion!r} is no onion service of version 3.")

    @property
    def name(self) -> str:
        """What it is called in logs and statistics: the first characters of its pin."""
        return text_of(self.pin)[:8]

    @property
    def is_hidden(self) -> bool:
        """Whether only Tor leads there: its name is that of an onion service, which no DNS may be asked for."""
        return self.host.rstrip(".").lower().endswith(".onion")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        onion = f"?onion={self.onion}" if self.onion else ""
        return f"{SCHEME}://{text_of(self.pin)}@{host}:{self.port}{onion}"

    @classmethod
    def parse(cls, text: str) -> GatewayAddress:
        """Read what ``str`` writes.

        Raises:
            ValueError: it is none.
        """
        problem = f"{text[:100]!r} is no address of a gateway: {SCHEME}://pin@host:port."
        try:
            parts = urlsplit(text)
            pin = base64.b64decode(f"{parts.username or ''}=", altchars=b"-_", validate=True)
            port = parts.port or 0
        except (ValueError, binascii.Error) as error:
            raise ValueError(problem) from error
        if parts.scheme != SCHEME or not parts.hostname:
            raise ValueError(problem)
        onion = parse_qs(parts.query).get("onion", [None])[0]
        return cls(parts.hostname, port, pin, onion)
