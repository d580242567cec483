"""What no tester can do is refused before anything is sent."""

from __future__ import annotations

from ipaddress import ip_address

from bwctl.cli.exits import ClientError, ExitStatus
from bwctl.cli.options import Options
from bwctl.cli.plugged import testers
from bwctl.net.failures import unfit


def check(options: Options) -> None:
    """Ask the wanted testers, with any address: the true ones are not known yet.

    Raises:
        ClientError: all of them say no.
    """
    ends = [end.address for end in (options.receiver, options.sender) if end]
    six = options.ip_version == 6 or any(one is not None and one.version == 6 for one in ends)
    address = ip_address("::1" if six else "127.0.0.1")
    wanted = [tester for tester in testers(options.tools) if tester.tool_id in options.tools]
    problems = {
        tester.name: tester.problems(
            options.spec(
                tester.tool_id,
                client=address,
                server=address,
                parsable_format=tester.parsable_format,
            )
        )
        for tester in wanted
    }
    if problems and all(problems.values()):
        failure = unfit(problems)
        raise ClientError(ExitStatus.UNSUPPORTED, failure.message, failure.hint)
