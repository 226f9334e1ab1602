"""Keys at rest: one file with one key, under a passphrase, that seals all the others.

Theory. What a node keeps (keys, ratchets, names, messages) lies sealed in its database, so that whoever copies the
disk has nothing without this file, and nothing with it as long as the passphrase holds (Argon2id, RFC 9106 section 4,
second recommended option). Without a passphrase the file itself is the key and only its permissions protect
it. Each value is sealed under a label that says what it is and whose, so that values cannot be swapped
(AES-256-GCM-SIV, RFC 8452, which forgives a nonce that is drawn twice).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from holdfast.crypto.derive import derive
from holdfast.errors import ErrorCode, KeystoreError
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.world import World

_NONCE: Final = 12
_KEY: Final = 32
_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 64 * 1024
_MEMORY_KIB_MAX: Final = 1024 * 1024
_ITERATIONS_MAX: Final = 100
_FILE_MAX: Final = 4096
_LABEL: Final = b"holdfast keystore 1"


class _File(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file says, as JSON."""

    version: Literal[1]
    protected: bool
    key: bytes
    salt: bytes = b""
    iterations: int = _ITERATIONS
    lanes: int = _LANES
    memory_kib: int = _MEMORY_KIB


class Keystore:
    """Seals and opens values of one node.

    Args:
        key: 32 secret bytes.
        world: chance for nonces.
    """

    def __init__(self, key: bytes, world: World | None = None) -> None:
        self._world: World = RealWorld() if world is None else world
        self._key = key
        self._cipher = AESGCMSIV(derive(key, b"holdfast values at rest 1"))

    @classmethod
    def open(
        cls, path: Path, passphrase: str | None = None, *, world: World | None = None
    ) -> Keystore:
        """Open the file of a node, or make it.

        Args:
            path: of the file; its folder is made, it can be read by its owner only.
            passphrase: None or empty for none.
            world: chance and secrets.

        Raises:
            KeystoreError: 9004; the passphrase is wrong or missing. 9005; the file is damaged.
        """
        world = RealWorld() if world is None else world
        if path.exists():
            with path.open("rb") as file:
                return cls(_unlocked(file.read(_FILE_MAX), passphrase), world)
        store = cls(world.secret_bytes(_KEY), world)
        store.save(path, passphrase)
        return store

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write the file, under another passphrase if need be; the old one stays until the new one is whole."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(path.name + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self._locked(passphrase))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        if os.name == "posix":  # the folder as well, or the name may be lost with the power
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def seal(self, label: str, value: bytes) -> bytes:
        """Seal a value; ``unseal`` needs the same label."""
        nonce = self._world.secret_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, label.encode("utf-8"))

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Open what was sealed under this label; raises ``KeystoreError`` (9005) when it was changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], label.encode("utf-8"))
        except (InvalidTag, ValueError) as error:
            raise KeystoreError(
                "A stored value cannot be opened: the data and the key do not belong together.",
                code=ErrorCode.KEYSTORE_DAMAGED,
                details={"label": label},
                original=error,
            ) from error

    def derived(self, purpose: bytes) -> bytes:
        """Return a key for one more purpose, always the same."""
        return derive(self._key, purpose)

    def _locked(self, passphrase: str | None) -> bytes:
        if not passphrase:
            return msgspec.json.encode(_File(version=1, protected=False, key=self._key))
        salt = self._world.secret_bytes(16)
        nonce = self._world.secret_bytes(_NONCE)
        file = _File(version=1, protected=True, key=b"", salt=salt)
        sealed = nonce + AESGCMSIV(_stretched(passphrase, file)).encrypt(nonce, self._key, _LABEL)
        return msgspec.json.encode(msgspec.structs.replace(file, key=sealed))


def _unlocked(data: bytes, passphrase: str | None) -> bytes:
    try:
        file = msgspec.json.decode(data, type=_File)
        if file.iterations > _ITERATIONS_MAX or file.memory_kib > _MEMORY_KIB_MAX:
            raise ValueError("it would take too long")
    except (msgspec.MsgspecError, ValueError) as error:
        raise KeystoreError(
            "The key file is damaged: restore it from a backup.",
            code=ErrorCode.KEYSTORE_DAMAGED,
            original=error,
        ) from error
    if not file.protected:
        key = file.key
    elif not passphrase:
        raise KeystoreError("The key file is protected: a passphrase is needed.")
    else:
        try:
            cipher = AESGCMSIV(_stretched(passphrase, file))
            key = cipher.decrypt(file.key[:_NONCE], file.key[_NONCE:], _LABEL)
        except (InvalidTag, ValueError) as error:
            raise KeystoreError("The passphrase is wrong.") from error
    if len(key) != _KEY:
        raise KeystoreError(
            "The key file is damaged: restore it from a backup.", code=ErrorCode.KEYSTORE_DAMAGED
        )
    return key


def _stretched(passphrase: str, file: _File) -> bytes:
    kdf = Argon2id(
        salt=file.salt,
        length=_KEY,
        iterations=file.iterations,
        lanes=file.lanes,
        memory_cost=file.memory_kib,
    )
    return kdf.derive(passphrase.encode("utf-8"))
