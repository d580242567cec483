"""Who the client is to each daemon; may ask the user, so it comes before everything else."""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.cli.auth import Credentials, read_credentials
from bwctl.cli.options import Options


@dataclass(frozen=True, slots=True)
class AllCredentials:
    """Those of both ends."""

    receiver: Credentials = Credentials()
    sender: Credentials = Credentials()


def read_all(options: Options) -> AllCredentials:
    """Read keys and passphrases; a passphrase that serves both ends is asked once.

    Raises:
        UsageError: a key is not to be had.
    """
    receiver, sender = Credentials(), Credentials()
    if options.receiver is not None:
        receiver = read_credentials(options.receiver_auth, str(options.receiver))
    if options.sender is not None:
        if options.sender_auth is options.receiver_auth and options.receiver is not None:
            return AllCredentials(receiver, receiver)
        sender = read_credentials(options.sender_auth, str(options.sender))
    return AllCredentials(receiver, sender)
