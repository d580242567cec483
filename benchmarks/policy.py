"""Reading limits and keys anew, and finding the class of an address.

python -m benchmarks.policy [--rules N] [--keys N] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
from ipaddress import IPv4Address, IPv4Network
from random import Random
from time import perf_counter

from bwctl.limits.keys import Key, format_keys, parse_keys
from bwctl.limits.parser import parse_limits
from bwctl.limits.policy import classify


def main() -> None:
    """Medians of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    random = Random(1)
    keys = format_keys({f"user{n}": Key(random.randbytes(16)) for n in range(options.keys)})
    limits = limits_text(options.rules, random)
    reads, looks = [], []
    for _ in range(options.rounds):
        began = perf_counter()
        ring = parse_keys(keys, "keys")
        parsed, _ = parse_limits(limits, "limits", users=ring)
        reads.append(perf_counter() - began)
        addresses = [IPv4Address(random.getrandbits(32)) for _ in range(10_000)]
        began = perf_counter()
        for address in addresses:
            classify(parsed, address)
        looks.append((perf_counter() - began) / len(addresses))
    print(f"read {options.rules} rules and {options.keys} keys: {statistics.median(reads):.3f} s")
    print(f"class of an address: {statistics.median(looks) * 1e6:.2f} us")


def limits_text(rules: int, random: Random) -> str:
    """A root, a hundred classes and many networks of different sizes."""
    lines = ["limit root with duration=60, allow_udp=on"]
    lines += [f"limit c{n} with parent=root, duration={n % 60 + 1}" for n in range(100)]
    networks: set[IPv4Network] = set()
    while len(networks) < rules:
        networks.add(IPv4Network((random.getrandbits(32), random.randint(8, 32)), strict=False))
    lines += ["assign default root"]
    lines += [f"assign net {one} c{n % 100}" for n, one in enumerate(sorted(networks))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
