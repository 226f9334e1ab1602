"""TLS 1.3 between strangers who know each other's key: a certificate that a gateway makes itself, and a pin.

Theory. No authority vouches for a gateway, and no name is checked: a client has the hash of the gateway's public key
from an invitation, and TLS proves that the other end has the key. The check is a part of the handshake, so a gateway
with another key gets no byte from us. A certificate that has run out is refused all the same: its owner said until when
it holds. Ours hold without end (RFC 5280, 4.1.2.5), so that a wrong clock locks nobody out.

A session is never resumed (no tickets): a ticket would tell the gateway that it is the same client again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import ssl
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from holdfast.errors import CryptoError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.world import World

CERTIFICATE: Final = "gateway.pem"
"""The file with a gateway's key and certificate."""

_PUT_BACK: Final = (
    "Put your copy of the file back; a gateway with another key begins in an empty folder."
)

_BEGIN: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_WITHOUT_END: Final = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "holdfast gateway")])


def make_certificate(path: Path) -> None:
    """Make a key and a certificate for it; the file is its owner's alone.

    Raises:
        StorageError: 8xxx; it cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_WITHOUT_END)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(private + certificate.public_bytes(Encoding.PEM))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"Cannot write the key {path}: {error}.", original=error) from error


def pin_of_file(path: Path) -> bytes:
    """Return the pin of the certificate in a file.

    Raises:
        CryptoError: 9001; there is none in it.
        StorageError: 8xxx; it cannot be read.
    """
    try:
        return _pin(x509.load_pem_x509_certificate(path.read_bytes()))
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error}.", original=error) from error
    except ValueError as error:
        raise CryptoError(
            f"There is no certificate in {path}, or it is damaged. {_PUT_BACK}", original=error
        ) from error


def server_context(path: Path) -> ssl.SSLContext:
    """Return the gateway's side of TLS.

    Args:
        path: of the file with key and certificate.

    Raises:
        CryptoError: 9001; they cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    try:
        context.load_cert_chain(
            path, password=""
        )  # a key with a password is refused, nobody is asked
    except (OSError, ssl.SSLError) as error:
        raise CryptoError(
            f"The key in {path} is damaged, or is not that of its certificate. {_PUT_BACK}",
            original=error,
        ) from error
    return context


def pinned_context(pin: bytes, world: World) -> ssl.SSLContext:
    """Return a client's side of TLS, for the one gateway with this pin."""
    context = _PinnedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin is checked instead, in the handshake
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.pin = pin
    context.world = world
    context.sslobject_class = _PinnedObject
    return context


class _PinnedContext(ssl.SSLContext):
    """Knows the key that the other end has to have."""

    pin: bytes
    world: World


class _PinnedObject(ssl.SSLObject):
    """Looks at the other end's key before the handshake counts as done."""

    def do_handshake(self) -> None:
        """Shake hands; raises SSLCertVerificationError when it is another's hand."""
        super().do_handshake()
        context: Any = self.context
        raw = self.getpeercert(binary_form=True)
        if raw is None:
            raise _refused("The gateway shows no certificate.")
        try:
            certificate = x509.load_der_x509_certificate(raw)
            found = _pin(certificate)
        except ValueError as error:
            raise _refused(f"The gateway's certificate cannot be read: {error}.") from error
        if not hmac.compare_digest(found, context.pin):
            raise _refused(
                "The gateway shows another key than the one it is known by: "
                "it is not the one, or its operator has lost the old key."
            )
        if context.world.wall_now() > certificate.not_valid_after_utc.timestamp():
            raise _refused("The gateway's certificate has expired.")


def _refused(text: str) -> ssl.SSLCertVerificationError:
    """Make the error of a handshake; without a number, a person would read the text in brackets."""
    return ssl.SSLCertVerificationError(int(ssl.SSL_ERROR_SSL), text)


def _pin(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).digest()
