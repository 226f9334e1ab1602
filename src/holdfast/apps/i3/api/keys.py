"""API keys: who may call which method, how often. Kept as hashes, shown once.

Theory. A key of ours has 192 random bits, so a plain hash is enough; one that somebody brings along must be long
enough not to be guessed. A key is found by its hash, which who guesses cannot steer, and compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api.methods import METHODS, Method, Permission
from holdfast.apps.i3.api.rpc import RpcCode, RpcError
from holdfast.resilience import TokenBucket
from holdfast.world import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from holdfast.apps.i3.api.results import MailSent, MessageSent
    from holdfast.storage import Database
    from holdfast.world import World

KEY_BYTES: Final = 24
ALL: Final = "*"
WARN_AT: Final = 0.8
"""Share of a burst after which a client is warned."""

Rates = dict[str, tuple[float, int]]


class Account:
    """A key and what is known of whoever uses it.

    Attributes:
        name: of the key.
        permissions: what it may do.
        rates: of its own: method → calls a second and at once, ``*`` for those that are not named.
        created: milliseconds since 1970.
        answers: of messages that may be sent anew, by what the client calls them.
        sent: the last event that it was sent on any connection.
    """

    def __init__(
        self, name: str, digest: bytes, permissions: Iterable[str], rates: Rates, created: int
    ) -> None:
        self.name = name
        self.digest = digest
        self.permissions = tuple(permissions)
        self.rates = rates
        self.created = created
        self.answers: OrderedDict[tuple[str, str], MessageSent | MailSent] = OrderedDict()
        self.sent = 0
        self._buckets: dict[str, tuple[TokenBucket, TokenBucket]] = {}

    def may(self, method: Method) -> bool:
        """Say whether it may call a method."""
        permission = method.permission
        return (
            permission is Permission.NOBODY
            or ALL in self.permissions
            or permission in self.permissions
            or method.name in self.permissions
        )

    def sees(self, permission: Permission) -> bool:
        """Say whether it gets events of that kind."""
        return ALL in self.permissions or permission in self.permissions

    def take(self, method: Method, now: float) -> tuple[float, bool]:
        """Count a call.

        Args:
            method: that is called.
            now: monotonic seconds.

        Returns:
            0.0, or the seconds until it may be called again; and whether that is near.
        """
        found = self._buckets.get(method.name)
        if found is None:
            rate, burst = (
                self.rates.get(method.name)
                or self.rates.get(ALL)
                or (
                    method.rate,
                    method.burst,
                )
            )
            found = TokenBucket(rate, burst), TokenBucket(rate, max(1.0, burst * WARN_AT))
            self._buckets[method.name] = found
        bucket, nearly = found
        wait = bucket.take(now)
        return wait, nearly.take(now) > 0

    def remember(self, method: str, resend: str, answer: MessageSent | MailSent) -> None:
        """Know a message again that is sent anew."""
        self.answers[method, resend] = answer
        while len(self.answers) > limits.RESENDS_KNOWN:
            self.answers.popitem(last=False)


class ApiKeys:
    """All keys of a gateway.

    Args:
        database: with the tables of ``store``.
        world: time and secrets.
        on_revoked: called with a key that is good for nothing from now on.
    """

    def __init__(
        self, database: Database, world: World, on_revoked: Callable[[Account], object]
    ) -> None:
        self._on_revoked = on_revoked
        self._database = database
        self._world = world
        self._by_digest: dict[bytes, Account] = {}
        self.by_name: dict[str, Account] = {}

    async def load(self) -> None:
        """Read all keys; raises StorageError."""
        rows = await self._database.fetch_all(
            "SELECT k.name, digest, permissions, rates, created_ms, coalesce(sent, 0) "
            "FROM i3_key k LEFT JOIN i3_reader r ON r.name = k.name"
        )
        for row in rows:
            name, digest, permissions, rates, created, sent = row
            assert isinstance(digest, bytes) and isinstance(created, int), row  # noqa: PT018 - one row
            known = Account(
                str(name),
                digest,
                msgspec.json.decode(str(permissions), type=list[str]),
                msgspec.json.decode(str(rates), type=Rates),
                created,
            )
            assert isinstance(sent, int), row
            known.sent = sent
            self._put(known)

    def find(self, key: str) -> Account | None:
        """Return whose key that is."""
        digest = hashed(key)
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found

    async def add(
        self,
        name: str,
        permissions: Iterable[str],
        rates: Mapping[str, tuple[float, int]] | None = None,
        key: str = "",
    ) -> str:
        """Make a key and return it once it is stored.

        Args:
            name: of whom it is for; used once.
            permissions: what it may do: names of permissions or of methods, or ``*``.
            rates: method → calls a second and at once; ``*`` for all that are not named.
            key: one that was in use elsewhere; a new one is drawn when it is empty.

        Raises:
            RpcError: -32602; something about it cannot be.
            StorageError: 8xxx; there is no such key.
        """
        chosen = tuple(permissions)
        self._check(name, chosen, dict(rates or {}), key)
        text = key or text_of(self._world.secret_bytes(KEY_BYTES))
        made = Account(
            name, hashed(text), chosen, dict(rates or {}), round(self._world.wall_now() * 1000)
        )
        self._put(made)  # before it is stored, so that a second one of that name is refused
        try:
            await self._database.execute(
                "INSERT INTO i3_key VALUES (?, ?, ?, ?, ?)",
                (
                    name,
                    made.digest,
                    msgspec.json.encode(chosen).decode(),
                    msgspec.json.encode(made.rates).decode(),
                    made.created,
                ),
            )
        except BaseException:
            self._drop(made)
            raise
        return text

    async def revoke(self, name: str) -> Account:
        """Make a key good for nothing, and return what it was.

        Raises:
            RpcError: -32602; there is none of that name.
            StorageError: 8xxx; it is good until the next start at most.
        """
        found = self.by_name.get(name)
        if found is None:
            text = f"There is no key {name!r}."
            raise RpcError(RpcCode.INVALID_PARAMS, text, {"param": "name"})
        self._drop(found)
        self._on_revoked(found)
        await self._database.batch(
            [
                ("DELETE FROM i3_key WHERE name = ?", (name,)),
                ("DELETE FROM i3_reader WHERE name = ?", (name,)),
            ]
        )
        return found

    def _put(self, account: Account) -> None:
        self._by_digest[account.digest] = account
        self.by_name[account.name] = account

    def _drop(self, account: Account) -> None:
        self._by_digest.pop(account.digest, None)
        self.by_name.pop(account.name, None)

    def _check(self, name: str, permissions: tuple[str, ...], rates: Rates, key: str) -> None:
        known = {ALL, *METHODS, *(each.value for each in Permission if each)}
        wrong = next((each for each in permissions if each not in known), None)
        if wrong is not None:
            text = f"There is no permission {wrong!r}; there are: {', '.join(sorted(known))}."
            raise RpcError(RpcCode.INVALID_PARAMS, text, {"param": "permissions"})
        for method, (rate, burst) in rates.items():
            if (method != ALL and method not in METHODS) or rate <= 0 or burst < 1:
                text = f"A rate is a method (or *), calls a second and at once, not {method!r}: {rate:g}, {burst}."
                raise RpcError(RpcCode.INVALID_PARAMS, text, {"param": "rates"})
        if name in self.by_name:
            text = f"There is a key {name!r} already; revoke it first."
            raise RpcError(RpcCode.INVALID_PARAMS, text, {"param": "name"})
        if (key and len(key) < limits.API_KEY_LENGTH_MIN) or hashed(key) in self._by_digest:
            text = f"A key has at least {limits.API_KEY_LENGTH_MIN} characters and is used once."
            raise RpcError(RpcCode.INVALID_PARAMS, text, {"param": "api_key"})
        if len(self.by_name) >= limits.API_KEYS_MAX:
            text = f"There are {limits.API_KEYS_MAX} keys already; revoke one first."
            raise RpcError(RpcCode.INVALID_PARAMS, text)


def hashed(key: str) -> bytes:
    """Hash a key for the store."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
