"""`bwctl check`: asks daemons, then tests for a second between each two, in both directions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import permutations
from typing import Any

from bwctl.cli.auth import Credentials, read_credentials
from bwctl.cli.checkprogram import CHECK, CheckOptions, parse
from bwctl.cli.checkreport import json_text, report_text
from bwctl.cli.drive import Task, columns, drive, write
from bwctl.cli.exits import ExitStatus, complaint
from bwctl.cli.hosts import HostPort
from bwctl.cli.options import Options
from bwctl.cli.progress import Phase, Progress
from bwctl.cli.surroundings import end_wish, surroundings
from bwctl.interfaces import ITester
from bwctl.net.checkup import Checkup, HostCheck
from bwctl.net.once import settled
from bwctl.net.pair import EndWish, TLSWish
from bwctl.results import Failure
from bwctl.text import sanitise


def run_check(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status: 0 if nothing is wrong.

    Raises:
        ClientError: the command line cannot be used.
    """
    options = parse(arguments)
    credentials = read_credentials(options.auth, "the daemons")
    return drive(lambda reactor: Check(options, credentials, reactor))


class Check(Task):
    """Everything that one command line checks."""

    def __init__(self, options: CheckOptions, credentials: Credentials, reactor: Any) -> None:
        super().__init__(options.verbose)
        self._options = options
        self._progress = Progress(
            sys.stderr,
            options.quiet,
            sys.stderr.isatty(),
            program=CHECK.name,
            columns=columns(),
        )
        common = Options(
            tools=options.tools,
            ip_version=options.ip_version,
            local_address=options.local_address,
            tls=options.tls,
            ca_file=options.ca_file,
            cert_file=options.cert_file,
            key_file=options.key_file,
            allow_unsync_s=options.allow_unsync_s,
        )
        around = surroundings(common, reactor, self._note)
        self._testers = around.testers
        self._clock = around.clock
        files = TLSWish(options.ca_file, options.cert_file, options.key_file)
        self._checkup = Checkup(around, files)
        self._wishes = [end_wish(host, credentials, common) for host in options.hosts]

    async def run(self) -> int:
        """Hosts, then ways."""
        self._say("asking the daemons")
        hosts: list[HostCheck] = await settled([self._checkup.host(one) for one in self._wishes])
        for host in hosts:
            if isinstance(host, BaseException):
                raise host
        ways = [way async for way in self._ways(hosts)]
        self._progress.close()
        text = json_text(hosts, ways) if self._options.json else report_text(hosts, ways)
        write(text.encode())
        bad = any(host.failure for host in hosts) or any(way.failure for way in ways)
        return int(ExitStatus.TEST_FAILED if bad else ExitStatus.OK)

    async def _ways(self, hosts: Sequence[HostCheck]) -> Any:
        """Both ways between each two hosts that answered; between here and there if it is one.

        A daemon that denies a test because of its clock is left out of the others.
        """
        ends = [host.wish for host in hosts if host.failure is None]
        tools = {host.wish: host.tools for host in hosts}
        adrift = {host.wish for host in hosts if _is_adrift(host)}
        denying: set[EndWish] = set()
        if len(self._wishes) == 1:
            ends.append(EndWish())
        for sender, receiver in permutations(ends, 2):
            both = tools.get(sender, ~0) & tools.get(receiver, ~0)
            for tester in self._common(both):
                if denying & {sender, receiver}:
                    break
                names = f"{_name(sender)} -> {_name(receiver)}"
                self._say(f"testing {names} with {tester.name}")
                yield (way := await self._checkup.way(receiver, sender, tester))
                if way.denied_by is not None:
                    denying |= adrift & {way.denied_by}
                    break  # the next tester would be denied for the same reason

    def _common(self, tools: int) -> list[ITester]:
        """The testers that are wanted and in a mask."""
        some = [one for one in self._testers.values() if one.tool_id & tools]
        return [one for one in some if one.tool_id in self._options.tools]

    def _say(self, text: str) -> None:
        self._progress.phase(Phase.CHECKING, self._clock.mono(), detail=text)

    def _note(self, text: str) -> None:
        if self._options.verbose:
            self._progress.note(sanitise(text))

    def give_up(self, failure: Failure) -> None:
        """Tell why the check did not come to its end."""
        self._checkup.close()
        self._progress.close()
        sys.stderr.write(complaint(CHECK.name, failure))


def _is_adrift(host: HostCheck) -> bool:
    """Whether a daemon's clock is reason enough for it to deny every test."""
    return host.clock is not None and not host.clock.error.synchronised


def _name(wish: EndWish) -> str:
    return "here" if wish.is_local else str(HostPort(wish.host, wish.port))
