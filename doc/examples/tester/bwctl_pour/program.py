"""The program that both ends run; any other program, in any language, would do as well.

program.py server ADDRESS PORT
program.py client ADDRESS PORT SECONDS
"""

from __future__ import annotations

import json
import socket
import sys
import time

BLOCK = bytes(1 << 16)
WAIT_S = 60.0  # for the other end


def serve(address: str, port: int) -> None:
    """Take one connection; tell how much came in what time."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        listener.settimeout(WAIT_S)
        connection, _ = listener.accept()
    with connection:
        began, octets = time.monotonic(), 0
        while received := connection.recv(len(BLOCK)):
            octets += len(received)
    print(json.dumps({"bytes": octets, "seconds": time.monotonic() - began}))


def pour(address: str, port: int, seconds: float) -> None:
    """Send as much as goes."""
    with socket.create_connection((address, port), WAIT_S) as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(BLOCK)


def main(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print("1.0")
    elif arguments[0] == "server":
        serve(arguments[1], int(arguments[2]))
    else:
        pour(arguments[1], int(arguments[2]), float(arguments[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
