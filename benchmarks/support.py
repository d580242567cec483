"""What the benchmarks share."""

from __future__ import annotations

from tests.support.daemons import NO_C, Daemon, start_c, start_ours


def daemons_by_kind(network: str) -> dict[str, Daemon]:
    """One daemon of ours, and one of C where it is at hand, on neighbouring addresses."""
    head, _, last = network.rpartition(".")
    daemons = {"ours": start_ours(network)}
    if NO_C:
        print(f"without C: {NO_C}")
    else:
        daemons["C"] = start_c(f"{head}.{int(last) + 1}")
    return daemons


def pairs_by_kind(network: str, options: str = "") -> dict[str, tuple[Daemon, Daemon]]:
    """Two daemons of each kind."""
    head, _, last = network.rpartition(".")
    addresses = [f"{head}.{int(last) + offset}" for offset in range(4)]
    pairs = {"ours": (start_ours(addresses[0], options), start_ours(addresses[1], options))}
    if NO_C:
        print(f"without C: {NO_C}")
    else:
        pairs["C"] = (start_c(addresses[2], options), start_c(addresses[3], options))
    return pairs
