"""Who the other end's certificate says it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def peer_names(transport: Any) -> list[str]:
    """SAN entries of the other end's verified certificate: `DNS:name`, `IP:address`, `EMAIL:...`.

    Empty where there is no TLS or no certificate.
    """
    get: Callable[[], Any] | None = getattr(transport, "getPeerCertificate", None)
    certificate = get() if get is not None else None
    if certificate is None:
        return []
    from cryptography import x509

    try:
        names = (
            certificate.to_cryptography()
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [
        *(f"DNS:{name.lower()}" for name in names.get_values_for_type(x509.DNSName)),
        *(f"IP:{address}" for address in names.get_values_for_type(x509.IPAddress)),
        *(f"EMAIL:{name}" for name in names.get_values_for_type(x509.RFC822Name)),
        *(f"URI:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)),
    ]
