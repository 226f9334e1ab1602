"""Every error of Holdfast: one family, one table of stable codes.

::

    ResilienceError                 code, message, details, original, retry_after, to_dict()
    ├── NetworkError                1xxx   NetworkTimeoutError · ConnectionFailedError
    ├── RateLimitError              2xxx
    ├── CircuitBreakerOpenError     3xxx
    ├── RetryExhaustedError         4xxx   attempts, __cause__ is the last error
    ├── DeliveryError               5xxx   DeliveryRefusedError · OutboxFullError · Mailbox…Error
    ├── SessionError                6xxx   SessionExpiredError · TokenRejectedError · …
    ├── ProtocolError               7xxx   LocalProtocolError · RemoteProtocolError
    ├── StorageError                8xxx   StorageBusyError · StorageLockedError
    ├── CryptoError                 90xx   EnvelopeError · RatchetError · KeystoreError
    └── NodeError                   91xx   InvitationError

A class is there for each thing that a caller does differently, a code for each thing that an
operator looks up. Applications number their own from 10000.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ErrorCode(IntEnum):
    """Stable numbers; the families are thousands (requirement C1.2)."""

    NETWORK_TIMEOUT = 1001
    NETWORK_CONNECTION_FAILED = 1002
    NETWORK_CONNECTION_LOST = 1003
    RATE_LIMIT_EXCEEDED = 2001
    RATE_LIMIT_QUOTA_EXHAUSTED = 2002
    SERVER_OVERLOADED = 2003
    CIRCUIT_BREAKER_OPEN = 3001
    CIRCUIT_BREAKER_HALF_OPEN = 3002
    RETRY_EXHAUSTED = 4001
    RETRY_FAILED = 4002
    DELIVERY_FAILED = 5001
    DELIVERY_REFUSED = 5002
    OUTBOX_FULL = 5101
    MAILBOX_UNKNOWN = 5201
    MAILBOX_FULL = 5202
    MAILBOX_PROOF_REJECTED = 5203
    MAILBOX_TAKEN_OVER = 5204
    DEPOSIT_REFUSED = 5205
    GATEWAY_FULL = 5206
    PIPE_REFUSED = 5301
    PIPE_FAILED = 5302
    SESSION_EXPIRED = 6001
    SESSION_REFUSED = 6002
    TOKEN_REJECTED = 6003
    SEAT_TAKEN = 6004
    SESSION_REPLACED = 6005
    SERVER_RESTARTING = 6006
    SLOW_READER = 6007
    SESSION_ENDED = 6008
    UNSUPPORTED_VERSION = 7001
    MALFORMED_FRAME = 7002
    FRAME_TOO_LARGE = 7003
    UNEXPECTED_FRAME = 7004
    SEQUENCE_GAP = 7005
    HANDSHAKE_TIMEOUT = 7006
    HEARTBEAT_TIMEOUT = 7007
    APPLICATION_FAILED = 7008
    STORAGE_UNAVAILABLE = 8001
    STORAGE_BUSY = 8002
    STORAGE_LOCKED = 8003
    STORAGE_CLOSED = 8004
    STORAGE_FULL = 8005
    STORAGE_READ_ONLY = 8006
    STORAGE_CORRUPT = 8007
    CRYPTO_FAILED = 9001
    ENVELOPE_REFUSED = 9002
    RATCHET_REFUSED = 9003
    KEYSTORE_LOCKED = 9004
    KEYSTORE_DAMAGED = 9005
    NODE_REFUSED = 9101
    INVITATION_REFUSED = 9102


class ResilienceError(Exception):
    """The parent of all errors of Holdfast.

    Args:
        message: for a person: what was attempted, what happened, what to do. Never a secret.
        code: an ``ErrorCode`` or an application's own ``IntEnum`` member; the class has a default.
        details: values that belong to it, JSON-safe or turned into text by ``to_dict``.
        original: the foreign error that this one translates.
        retry_after: seconds after which trying again makes sense; None when it does not.
    """

    default_code: ClassVar[ErrorCode] = ErrorCode.RETRY_FAILED

    def __init__(
        self,
        message: str,
        *,
        code: IntEnum | None = None,
        details: dict[str, object] | None = None,
        original: BaseException | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code: IntEnum = self.default_code if code is None else code
        self.details: dict[str, object] = {} if details is None else details
        self.original = original
        self.retry_after = retry_after

    @property
    def name(self) -> str:
        """The name of the code, as in the documentation."""
        return self.code.name

    def to_dict(self) -> dict[str, object]:
        """Describe the error as a JSON-safe mapping.

        Returns:
            ``code`` (int), ``name``, ``message``, ``details`` (JSON-safe), and, where known,
            ``retry_after`` in seconds and ``original`` as text.
        """
        described: dict[str, object] = {
            "code": int(self.code),
            "name": self.name,
            "message": self.message,
            "details": {key: _json_safe(value) for key, value in self.details.items()},
        }
        if self.retry_after is not None:
            described["retry_after"] = self.retry_after
        if self.original is not None:
            described["original"] = f"{type(self.original).__name__}: {self.original}"
        return described


def _json_safe(value: object) -> object:
    """Keep what JSON can say, and turn the rest into text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_safe(item) for item in value]
    return str(value)


class NetworkError(ResilienceError):
    """The network failed; trying again may help."""

    default_code = ErrorCode.NETWORK_CONNECTION_LOST


class NetworkTimeoutError(NetworkError):
    """Nothing came back in time."""

    default_code = ErrorCode.NETWORK_TIMEOUT


class ConnectionFailedError(NetworkError):
    """No connection could be made."""

    default_code = ErrorCode.NETWORK_CONNECTION_FAILED


class RateLimitError(ResilienceError):
    """Too much, too fast; ``retry_after`` says when there is room again."""

    default_code = ErrorCode.RATE_LIMIT_EXCEEDED


class CircuitBreakerOpenError(ResilienceError):
    """The breaker is open; ``retry_after`` says when it lets a probe through."""

    default_code = ErrorCode.CIRCUIT_BREAKER_OPEN


class RetryExhaustedError(ResilienceError):
    """Every attempt failed; ``__cause__`` is the last error.

    Args:
        message: as for the parent.
        attempts: how many were made.
        original: the last error.
    """

    default_code = ErrorCode.RETRY_EXHAUSTED

    def __init__(
        self, message: str, *, attempts: int, original: BaseException | None = None
    ) -> None:
        super().__init__(message, details={"attempts": attempts}, original=original)
        self.attempts = attempts
        self.__cause__ = original


class DeliveryError(ResilienceError):
    """A message could not be handed on."""

    default_code = ErrorCode.DELIVERY_FAILED


class DeliveryRefusedError(DeliveryError):
    """The destination will never take the message; do not send it again."""

    default_code = ErrorCode.DELIVERY_REFUSED


class OutboxFullError(DeliveryError):
    """There is no room for another unacknowledged message; nothing was accepted."""

    default_code = ErrorCode.OUTBOX_FULL


class MailboxFullError(DeliveryError):
    """There is no room for another envelope; try again after ``retry_after`` seconds, or elsewhere."""

    default_code = ErrorCode.MAILBOX_FULL


class MailboxUnknownError(DeliveryRefusedError):
    """The gateway has no such mailbox, or the token is not its; which, it does not say."""

    default_code = ErrorCode.MAILBOX_UNKNOWN


class SessionError(ResilienceError):
    """A session could not be opened, resumed or kept."""

    default_code = ErrorCode.SESSION_REFUSED


class SessionExpiredError(SessionError):
    """The session is not known (any more); say hello again."""

    default_code = ErrorCode.SESSION_EXPIRED


class TokenRejectedError(SessionError):
    """The resume token is wrong or was used up."""

    default_code = ErrorCode.TOKEN_REJECTED


class SeatTakenError(SessionError):
    """Somebody else has it."""

    default_code = ErrorCode.SEAT_TAKEN


class SessionReplacedError(SessionError):
    """The session was opened on a newer connection, which has it now."""

    default_code = ErrorCode.SESSION_REPLACED


class ServerRestartingError(SessionError):
    """The server goes down on purpose; come back after ``retry_after`` seconds."""

    default_code = ErrorCode.SERVER_RESTARTING


class ProtocolError(ResilienceError):
    """Somebody broke the rules of a protocol; the subclass says who."""

    default_code = ErrorCode.MALFORMED_FRAME


class LocalProtocolError(ProtocolError):
    """We were asked to do what the protocol does not allow."""

    default_code = ErrorCode.UNEXPECTED_FRAME


class RemoteProtocolError(ProtocolError):
    """The other end did what the protocol does not allow."""


class StorageError(ResilienceError):
    """The store could not do it; nothing of the transaction was kept."""

    default_code = ErrorCode.STORAGE_UNAVAILABLE


class StorageBusyError(StorageError):
    """The queue of the writer is full; try again after ``retry_after`` seconds."""

    default_code = ErrorCode.STORAGE_BUSY


class StorageLockedError(StorageError):
    """Another process uses the data directory."""

    default_code = ErrorCode.STORAGE_LOCKED


class CryptoError(ResilienceError):
    """A cryptographic check failed."""

    default_code = ErrorCode.CRYPTO_FAILED


class EnvelopeError(CryptoError):
    """An envelope is not for this key, was changed on its way, or is malformed."""

    default_code = ErrorCode.ENVELOPE_REFUSED


class RatchetError(CryptoError):
    """A ratchet does not take a message: changed, replayed, or of another session."""

    default_code = ErrorCode.RATCHET_REFUSED


class KeystoreError(CryptoError):
    """Keys at rest cannot be opened: the passphrase is wrong, or the file is damaged."""

    default_code = ErrorCode.KEYSTORE_LOCKED


class NodeError(ResilienceError):
    """A node does not do what it was asked to: there is no such contact or room, or it is closed."""

    default_code = ErrorCode.NODE_REFUSED


class InvitationError(NodeError):
    """An invitation is damaged, of another version, our own, or was used."""

    default_code = ErrorCode.INVITATION_REFUSED
