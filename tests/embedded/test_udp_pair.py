from __future__ import annotations

from typing import Any

from tests.embedded.programs import ProgramTestCase, facts
from tests.embedded.test_pair import has_ipv6


class UDPPairTests(ProgramTestCase):
    """Own client against own server."""

    def outcomes(
        self, address: str = "127.0.0.1", rate: str = "5000000", seconds: str = "1", **client: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run a test that has to go well; the facts of client and server."""
        both = {"duration": seconds, "rate": rate}
        receiver, port = self.server(bind=address, peer=address, protocol="udp", **both)
        sender = self.program(
            "client", connect=address, bind=address, port=str(port), **both, **client
        )
        sent, received = self.finish(sender), self.finish(receiver)
        self.assertEqual((sent[0], sent[2]), (0, ""), sent)
        self.assertEqual((received[0], received[2]), (0, ""), received)
        return facts(sent[1]), facts(received[1])

    def check(self, sent: dict[str, Any], received: dict[str, Any], packets: int) -> None:
        """Both ends tell the same of a test without loss."""
        for found in (sent, received):
            self.assertEqual((found["schema"], found["protocol"]), ("thrulay/1", "udp"))
            self.assertEqual((found["packets"], found["received"]), (packets, packets))
            self.assertEqual((found["lost"], found["duplicates"]), (0, 0))
            self.assertEqual(found["bytes"], packets * found["packet_size"])
            self.assertEqual(found["bytes"], sum(entry["bytes"] for entry in found["intervals"]))
            delays = [found["delay_us"][name] for name in ("min", "p25", "p50", "p75", "p95")]
            self.assertEqual(delays, sorted(delays))
            self.assertGreater(delays[0], 0)

    def test_ipv4(self) -> None:
        """5 Mb/s: 416 packets of 1500 octets, Poisson."""
        sent, received = self.outcomes(seconds="1")
        self.check(sent, received, 416)
        self.assertEqual((sent["packet_size"], sent["schedule"]), (1500, "poisson"))
        for found in (sent, received):  # a busy host may be slower
            self.assertTrue(2e6 < found["bits_per_second"] < 6e6, found["bits_per_second"])

    def test_ipv6(self) -> None:
        if not has_ipv6():
            self.skipTest("no IPv6 on loopback")
        self.check(*self.outcomes("::1", packet="1280"), packets=488)

    def test_fast(self) -> None:
        """60 Mb/s, which the server reads in bulk; small packets, equal distances."""
        sent, received = self.outcomes(rate="60000000", packet="1000", schedule="periodic")
        self.assertEqual(sent["packets"], 7500)
        self.assertEqual(received["packets"], 7500)
        self.assertEqual(received["timestamps"], "kernel")
        self.assertGreater(received["received"], 5000)  # a busy host may lose some

    def test_big_packets(self) -> None:
        """Packets larger than any link's are sent in fragments, and arrive."""
        sent, received = self.outcomes(packet="20000", tos="184")
        self.check(sent, received, 31)
