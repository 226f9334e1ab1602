"""Cryptography by audited libraries: identities, ratchets, sealed envelopes, keys at rest. No network, no clock."""

from holdfast.crypto.derive import derive
from holdfast.crypto.envelope import (
    CONTENT_BYTES_MAX,
    ENVELOPE_BYTES_MAX,
    SIZES,
    EnvelopeKey,
    InvitationKey,
    InvitationSealKey,
    SealKey,
)
from holdfast.crypto.identity import IdentityKeys, fingerprint
from holdfast.crypto.keystore import Keystore
from holdfast.crypto.pair_key import PairKey
from holdfast.crypto.ratchet import PairMessage, PairRatchet
from holdfast.crypto.room_cipher import RoomReceiver, RoomSender
from holdfast.crypto.safety_words import safety_words

__all__ = [
    "CONTENT_BYTES_MAX",
    "ENVELOPE_BYTES_MAX",
    "SIZES",
    "EnvelopeKey",
    "IdentityKeys",
    "InvitationKey",
    "InvitationSealKey",
    "Keystore",
    "PairKey",
    "PairMessage",
    "PairRatchet",
    "RoomReceiver",
    "RoomSender",
    "SealKey",
    "derive",
    "fingerprint",
    "safety_words",
]
