"""Two hosts on one machine: network namespaces with a cable between them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import SkipTest


@dataclass(frozen=True, slots=True)
class NetHost:
    """One of them; `inside` goes in front of a command that is to run there."""

    name: str
    address: str
    link: str = ""  # its end of the cable

    @property
    def inside(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def unplug(self) -> None:
        """Pull the cable out, without a word to anybody."""
        _run("ip", "-n", self.name, "link", "set", self.link, "down")

    def plug(self) -> None:
        """Put it in again."""
        _run("ip", "-n", self.name, "link", "set", self.link, "up")

    def slow_down(self, how: str) -> None:
        """Delay or lose what leaves it: options of netem, see tc-netem(8).

        Raises:
            SkipTest: this kernel has no netem, or there is no tc.
        """
        try:
            command = ["tc", "qdisc", "add", "dev", self.link, "root", "netem", *how.split()]
            _run(*self.inside, *command)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SkipTest(f"no netem here: {getattr(error, 'stderr', error)}") from error

    def block(self, target: str, ports: str, how: str = "blackhole") -> None:
        """Let no TCP connection out to some ports of the other host, as its firewall would."""
        rule = ("rule", "add", "ipproto", "tcp", "dport", ports, "to", target, how)
        _run("ip", "-n", self.name, *rule)


@contextmanager
def two_hosts() -> Iterator[tuple[NetHost, NetHost]]:
    """The hosts 10.213.9.1 and 10.213.9.2; whatever still runs there ends with the test.

    Raises:
        SkipTest: this needs root, Linux and iproute2.
    """
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise SkipTest("network namespaces need root and the program ip (iproute2)")
    cable = [f"b{os.getpid()}{one}" for one in "ab"]
    names = [f"bwctl{os.getpid()}{one}" for one in (1, 2)]
    hosts = [NetHost(names[one], f"10.213.9.{one + 1}", cable[one]) for one in (0, 1)]
    made: list[NetHost] = []
    try:
        for host in hosts:
            try:
                _run("ip", "netns", "add", host.name)
            except subprocess.CalledProcessError as error:
                raise SkipTest(f"no network namespaces here: {error.stderr}") from error
            made.append(host)
        _run("ip", "link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for host, end in zip(hosts, cable, strict=True):
            _run("ip", "link", "set", end, "netns", host.name)
            _run("ip", "-n", host.name, "addr", "add", f"{host.address}/24", "dev", end)
            for link in (end, "lo"):
                _run("ip", "-n", host.name, "link", "set", link, "up")
        yield hosts[0], hosts[1]
    finally:
        for host in made:
            for pid in _run("ip", "netns", "pids", host.name).split():
                os.kill(int(pid), signal.SIGKILL)
            _run("ip", "netns", "del", host.name)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
