"""A BWCTL daemon and a page that shows what it is at, in one application.

    CONF=/etc/bwctl PAGE=tcp:8080:interface=127.0.0.1 twistd --nodaemon -y daemon_and_page.tac

CONF is the daemon's configuration directory, PAGE an endpoint of Twisted for the page.
"""

from __future__ import annotations

import html
import os
import time
from collections import deque

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from bwctl.daemon.embed import make_daemon
from bwctl.interfaces import IResultSink
from bwctl.net.reactortime import use_monotonic
from bwctl.results import TestEnded
from bwctl.values import unix_from_ntp


@implementer(IResultSink)
class Page(Resource):
    """Shows the daemon's status, and the last tests, which it is told of as a result sink."""

    name = "page"
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.daemon = None
        self._last: deque[TestEnded] = deque(maxlen=20)

    def test_ended(self, ended: TestEnded) -> None:
        self._last.appendleft(ended)

    def render_GET(self, request) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        status = self.daemon.status()
        rows = "".join(f"<tr>{self._row(ended)}</tr>\n" for ended in self._last)
        return (
            "<!doctype html><title>bwctld</title>\n"
            f"<p>{status.connections} connections, {status.reservations} reservations, "
            f"{status.tests} tests, testers: {html.escape(', '.join(status.testers))}\n"
            f"<table>{rows}</table>\n"
        ).encode()

    def _row(self, ended: TestEnded) -> str:
        rate = ended.summary.get("bits_per_second")
        cells = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix_from_ntp(ended.start))),
            ended.user or "-",  # whatever comes from a peer is escaped
            ended.spec.tool.name,
            "sender" if ended.sends else "receiver",
            ended.status.name,
            f"{rate / 1e6:.1f} Mbit/s" if rate else "-",
        )
        return "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells)


use_monotonic(reactor)  # the reactor is this application's own, so it may choose
page = Page()
page.daemon = make_daemon(reactor, os.environ["CONF"], sinks=[page])

application = Application("bwctld with a page")
page.daemon.setServiceParent(application)
endpoint = serverFromString(reactor, os.environ["PAGE"])
StreamServerEndpointService(endpoint, Site(page)).setServiceParent(application)
