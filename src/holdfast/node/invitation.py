"""An invitation: all that a stranger needs to write to us, once, in one link.

It names the gateways with their pins, a mailbox at each and its deposit token, our keys, one prekey of the
ratchet, and a secret. There is no directory: the first message needs nothing but the link. The link has no host
and no server behind it; who has it can use it, so it travels like a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.node.model import ContactId, IdentityId


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of ours.

    Attributes:
        link: its text, ``holdfast:1…``; fits a QR code.
        contact: the contact-to-be, in the state ``invited``.
        identity: under which he will know us.
        note: shown to him before he accepts.
    """

    link: str
    contact: ContactId
    identity: IdentityId
    note: str = ""
