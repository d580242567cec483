"""What is wrong with the TLS options together, and with the files that they name."""

from __future__ import annotations

from collections.abc import Iterator

from bwctl.daemon.config import Settings
from bwctl.errors import CertificateError, Problem


def tls_problems(settings: Settings) -> Iterator[Problem]:
    """Why the daemon cannot do what its TLS options ask for."""
    if settings.tls_require_client:
        yield from _who_is_required(settings)
    if settings.tls_cert is None:
        return
    from bwctl.net.tls import Files, load_own, load_trusted

    try:
        load_own(Files(settings.tls_cert, settings.tls_key or ""))
    except CertificateError as error:
        yield settings.problem("tls_cert", str(error))
    try:
        load_trusted(settings.tls_client_ca or "")
    except CertificateError as error:
        yield settings.problem("tls_client_ca", str(error))


def _who_is_required(settings: Settings) -> Iterator[Problem]:
    """An error and no warning: a daemon that asked nobody would let more in than was said."""
    if settings.tls_cert is None:
        yield settings.problem("tls_require_client", "without tls_cert there is no TLS at all")
    elif settings.tls_client_ca is None:
        message = "needs tls_client_ca: whose certificates are good"
        yield settings.problem("tls_require_client", message)


def tls_warnings(settings: Settings) -> Iterator[Problem]:
    """Options that do nothing without a certificate of the daemon's own."""
    if settings.tls_cert is not None:
        return
    for name in ("tls_key", "tls_client_ca"):
        if getattr(settings, name) is not None:
            yield settings.problem(name, "has no effect without tls_cert")
