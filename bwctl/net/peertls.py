"""TLS on peer connections, where the control client reached both daemons over TLS.

No certificate vouches for anybody there: both ends know a session id that travelled inside TLS,
and the key made of it is bound to this very TLS connection (RFC 5705), so that nobody between them
can be an end of either half. See doc/design/extensions.rst.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from bwctl.wire.crypto import KEY_SIZE

_LABEL: Final = b"EXPORTER-bwctl-peer"
_LIFETIME: Final = timedelta(days=3650)  # nobody looks at it


def protected(factory: Any, *, calls: bool) -> TLSMemoryBIOFactory:
    """A factory whose connections are of TLS; calls: they are ours, not those of others."""
    return TLSMemoryBIOFactory(_Anybody(), calls, factory)


def bound_key(sid: bytes, transport: Any) -> bytes:
    """The key of a session on this TLS connection and no other, 16 octets."""
    material = transport.getHandle().export_keying_material(_LABEL, 32)
    return hmac.digest(sid, material, "sha256")[:KEY_SIZE]


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class _Anybody:
    """Connections in their initial state, which ask nobody for a certificate."""

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(_context(), None)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(_context(), None)


@cache
def _context() -> SSL.Context:
    """With a certificate of this process alone: TLS needs one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bwctl peer")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFETIME)
        .not_valid_after(now + _LIFETIME)
        .sign(key, SHA256())
    )
    options = CertificateOptions(
        privateKey=crypto.PKey.from_cryptography_key(key),
        certificate=crypto.X509.from_cryptography(certificate),
        raiseMinimumTo=TLSVersion.TLSv1_3,
    )
    return options.getContext()
