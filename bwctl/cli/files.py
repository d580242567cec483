"""Files of results: whole or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from bwctl.results import ExitStatus, Failure


def write_whole(path: Path, content: bytes) -> Failure | None:
    """Write a file, in the place of the one that was there; why that cannot be, if it cannot.

    A disk that is full leaves what was there, and no half of a file. A symbolic link is replaced,
    never followed: in a directory for everybody, such as /tmp, somebody may have put one in the
    place of a name that follows from the start of the test.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with new.open("xb") as file:
                file.write(content)
            os.replace(new, path)
        except FileExistsError:
            raise  # it is not ours
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise
    except OSError as error:
        return unwritten(str(path), error)
    return None


def unwritten(where: str, error: OSError) -> Failure:
    """The results have no place to go."""
    name = f"{where}: " if where else ""
    return ExitStatus.OUTPUT.failure(
        f"cannot write the results: {name}{error.strerror}", "the test itself was made"
    )
