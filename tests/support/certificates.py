"""Certificates of a test's own authority, as PEM files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._directory = directory
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.file = self._write(f"{name}.pem", self._ca.cert_pem.bytes())
        self._prefix = name

    def issue(self, *names: str, file: str, expired: bool = False) -> str:
        """One PEM file with certificate and key, for some names or addresses."""
        now = datetime.now(timezone.utc)
        until = now - timedelta(days=1) if expired else now + timedelta(days=30)
        leaf = self._ca.issue_cert(
            *names,
            not_before=now - timedelta(days=9),
            not_after=until,
            key_type=trustme.KeyType.ECDSA,
        )
        return self._write(file, leaf.private_key_and_cert_chain_pem.bytes())

    def _write(self, file: str, content: bytes) -> str:
        path = self._directory / file
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)
