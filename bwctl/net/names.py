"""Who the other end is: what its certificate says, and what its name is."""

from __future__ import annotations

import socket
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


def confirmed_name(
    address: str,
    reverse: Callable[[str], tuple[str, list[str], list[str]]] = socket.gethostbyaddr,
    forward: Callable[..., list[Any]] = socket.getaddrinfo,
) -> str:
    """The name of a host that leads back to its address; else the address. Blocks.

    Whoever has an address also writes the name for it, and could take another's.

    Raises:
        OSError: there is no such name.
    """
    name = reverse(address)[0]
    found = {str(entry[4][0]).partition("%")[0] for entry in forward(name, None)}
    return name if address in found else address
