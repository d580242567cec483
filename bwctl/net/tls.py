"""TLS 1.3 on a port of its own: both ends, verified by default. Source: ecosystem.md section 10."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from service_identity.exceptions import CertificateError as CertificateNotForService
from service_identity.exceptions import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from bwctl.errors import CertificateError

TLS_PORT = 4824

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_EXPIRED = {9: "is not valid yet", 10: "has expired"}  # X509_V_ERR_... of OpenSSL
_UNTRUSTED = {2, 18, 19, 20, 21}
_ALERTS = {
    "certificate required": "it wants a certificate of ours: give --cert FILE",
    "unknown ca": "it does not trust the issuer of our certificate",
    "bad certificate": "it refuses our certificate",
    "certificate expired": "it says that our certificate has expired",
    "protocol version": "it does not speak TLS 1.3",
    "wrong version number": "it does not speak TLS on this port",
    "unexpected eof": "it does not speak TLS on this port, or broke off",
}
_TURNED_AWAY = {
    "did not return a certificate": "it showed no certificate",
    "certificate verify failed": (
        "its certificate is not from an issuer in tls_client_ca, or is not valid now"
    ),
    "unsupported protocol": "it does not speak TLS 1.3",
    "version too low": "it does not speak TLS 1.3",
    "http request": "it speaks HTTP, not TLS",
    "wrong version number": "it does not speak TLS",
    "unknown ca": "it does not trust the issuer of our certificate",
    "bad certificate": "it refuses our certificate",
    "certificate unknown": "it refuses our certificate",
    "certificate expired": "it says that our certificate has expired",
    "unexpected eof": "it went away in the handshake",
}


@dataclass(frozen=True, slots=True)
class Files:
    """Where a certificate, its key and the issuers to trust are, in PEM; "": none.

    `certificate` may hold the chain after the certificate, and the key too.
    """

    certificate: str = ""
    key: str = ""
    trusted: str = ""


def _read(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{what} {path}: {error.strerror}") from error


def load_own(files: Files) -> tuple[PrivateCertificate, list[Certificate]]:
    """Our certificate with its key, and the rest of its chain.

    Raises:
        CertificateError: a file is unreadable or does not hold what it should, or the key is not
            that of the certificate.
    """
    pem = _read(files.certificate, "certificate file")
    key = _read(files.key, "key file") if files.key else pem
    if not files.key and _CERTIFICATE in pem and b"PRIVATE KEY-----" not in pem:
        raise CertificateError(
            f"{files.certificate}: no key in it; give --key FILE (a daemon: tls_key)"
        )
    try:
        chain = [Certificate.loadPEM(one) for one in _blocks(pem)]
        own = PrivateCertificate.fromCertificateAndKeyPair(
            chain[0], KeyPair.load(key, crypto.FILETYPE_PEM)
        )
        own.options().getContext().check_privatekey()
    except (crypto.Error, SSL.Error, VerifyError, IndexError, ValueError) as error:
        names = " and ".join(filter(None, (files.certificate, files.key)))
        raise CertificateError(f"{names}: not a PEM certificate and the key to it") from error
    return own, chain[1:]


def load_trusted(path: str) -> Any:
    """The issuers that a file names; the system's for "".

    Raises:
        CertificateError: unreadable, or it holds no certificate.
    """
    if not path:
        return platformTrust()
    try:
        issuers = [Certificate.loadPEM(one) for one in _blocks(_read(path, "CA file"))]
    except (crypto.Error, ValueError) as error:
        raise CertificateError(f"CA file {path}: not a PEM certificate") from error
    if not issuers:
        raise CertificateError(f"CA file {path}: no certificate in it")
    return trustRootFromCertificates(issuers)


def _blocks(pem: bytes) -> Iterator[bytes]:
    """The certificates of a PEM file, one by one."""
    end = b"-----END CERTIFICATE-----"
    for part in pem.split(_CERTIFICATE)[1:]:
        body, mark, _ = part.partition(end)
        if mark:
            yield _CERTIFICATE + body + end + b"\n"


@dataclass(frozen=True, slots=True)
class ServerSide:
    """What a daemon shows, and what it wants to see; see `server_side`."""

    context: SSL.Context
    verify: int  # flags of OpenSSL; VERIFY_NONE: clients are not asked for a certificate


def server_side(files: Files, require_client: bool) -> ServerSide:
    """Read a daemon's files; clients are asked for a certificate if there are issuers to trust.

    Raises:
        CertificateError: a file cannot be used.
    """
    own, chain = load_own(files)
    options = CertificateOptions(
        privateKey=own.privateKey.original,
        certificate=own.original,
        extraCertChain=[one.original for one in chain],
        raiseMinimumTo=TLSVersion.TLSv1_3,
        trustRoot=load_trusted(files.trusted) if files.trusted else None,
    )
    verify = SSL.VERIFY_PEER if files.trusted else SSL.VERIFY_NONE
    if files.trusted and require_client:
        verify |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    return ServerSide(options.getContext(), verify)


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server's TLS connections; what it shows can be exchanged while it runs."""

    def __init__(self, side: ServerSide) -> None:
        self._side = side

    def reload(self, side: ServerSide) -> None:
        """Use other files for connections to come."""
        self._side = side

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection in its initial state."""
        connection = SSL.Connection(self._side.context, None)
        connection.set_verify(self._side.verify, lambda *args: bool(args[-1]))
        return connection


def why_turned_away(error: BaseException | None) -> str:
    """Why a client did not get through the handshake with us, for the log."""
    if not isinstance(error, SSL.Error):
        return "it went away in the handshake"
    text = _words(error)
    return next((words for mark, words in _TURNED_AWAY.items() if mark in text.lower()), text)


def _words(error: SSL.Error) -> str:
    """What OpenSSL says, without library and function."""
    found = error.args[0] if error.args else None
    if not isinstance(found, list):
        return str(error) or "OpenSSL does not say why"
    return "; ".join(str(one[-1]) for one in found)


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """Makes a client's TLS connection to one name, and remembers why it was not trusted."""

    def __init__(self, name: str, files: Files) -> None:
        extra: dict[str, Any] = {"raiseMinimumTo": TLSVersion.TLSv1_3}
        own = load_own(files)[0] if files.certificate else None
        self._name = name
        self._problem = 0
        self._foreign = False
        self._creator = optionsForClientTLS(
            name, load_trusted(files.trusted), own, extraCertificateOptions=extra
        )

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection in its initial state."""
        connection = self._creator.clientConnectionForTLS(tlsProtocol)
        # This takes the place of Twisted's own callback, which checks the name: so do we.
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def _verify(
        self,
        connection: SSL.Connection,
        certificate: crypto.X509,
        number: int,
        depth: int,
        good: int,
    ) -> bool:
        """Called for each certificate of the chain; False ends the handshake."""
        if not good:
            self._problem = number
            return False
        if depth == 0 and not self._is_named(certificate):
            self._foreign = True
            return False
        return True

    def _is_named(self, certificate: crypto.X509) -> bool:
        """Whether the certificate is for the name that we called; False if it cannot be read."""
        try:
            identity = IPAddress_ID(self._name) if _is_address(self._name) else DNS_ID(self._name)
            verify_service_identity(extract_patterns(certificate), [identity], [])
        except (VerificationError, CertificateNotForService, ValueError):
            return False
        return True

    def explain(self, error: BaseException) -> str | None:
        """Why the connection failed, in words; None if TLS is not to blame."""
        if self._foreign:
            return f"its certificate is not for {self._name}"
        if self._problem in _EXPIRED:
            return f"its certificate {_EXPIRED[self._problem]}"
        if self._problem in _UNTRUSTED:
            return "its certificate is from an issuer that is not trusted here"
        if self._problem:
            return f"its certificate was refused (OpenSSL error {self._problem})"
        return _alert(error)

    @property
    def advice(self) -> str:
        """What to do about the reason that `explain` gives; "" where that says it."""
        return "--ca FILE names issuers to trust" if self._problem in _UNTRUSTED else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _alert(error: BaseException) -> str | None:
    if not isinstance(error, SSL.Error):
        return None
    text = str(error).lower()
    return next((words for mark, words in _ALERTS.items() if mark in text), f"TLS: {error}")
