"""The private directory of one tester: made before it starts, removed after its end."""

from __future__ import annotations

import os


def make() -> str:
    """Make an empty directory of mode 0700 below TMPDIR; its path.

    Raises:
        OSError: it cannot be made.
    """
    parent = os.path.abspath(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - see below
    path = os.path.join(parent, f"bwctl-{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)  # fails if anything is there already
    return path


def remove(path: str) -> bool:
    """Remove it with all that is in it; "": there is none. Whether it is gone."""
    if not path:
        return True
    import shutil  # takes longer to load than the rest of the guard, and few testers need it

    shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)
