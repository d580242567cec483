"""Files of results."""

from __future__ import annotations

from pathlib import Path


def create(path: Path, content: bytes) -> None:
    """Write a new file. What is there already, a symbolic link too, is neither used nor changed.

    The name follows from the start of the test, which a daemon may choose; in a directory for
    everybody, such as /tmp, somebody may have put something in its place.

    Raises:
        OSError: it cannot be written; FileExistsError: there is something of that name.
    """
    with path.open("xb") as file:
        file.write(content)
