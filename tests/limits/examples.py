"""Worked examples of limits and key files (daemon.md 7); C 1.6.7 loads them too."""

from __future__ import annotations

PUBLIC_LIMITS = r"""# The first class bounds all others.
limit root with \
    duration=300, \
    bandwidth=9g, \
    allow_udp=on, allow_tcp=on, allow_open_mode=on, \
    max_time_error=20

# Anyone: short TCP tests, soon or not at all.
limit guest with parent=root, \
    duration=20, bandwidth=50m, allow_udp=off, \
    event_horizon=900, pending=12, minimum_ttl=2

# Partner networks: longer tests, UDP up to 1 Gbit/s.
limit partner with parent=root, \
    duration=60, bandwidth=1g, \
    event_horizon=7200, pending=40

# Staff, known by key.
limit staff with parent=root, allow_open_mode=off

# No test of any kind.
limit closed with parent=root, \
    duration=1, bandwidth=1, pending=1, \
    allow_udp=off, allow_tcp=off, allow_open_mode=off

assign default guest
assign net 198.51.100.0/24 partner
assign net 2001:db8:40::/44 partner
assign net 203.0.113.128/25 closed
assign user alice staff
assign user noc-mesh partner
"""

PUBLIC_KEYS = """alice	88e4ddd2402d92d50e1879d6ecd9ffd4
noc-mesh	8977dfac2f8e04cb96e66882235f5aba
"""

LAB_LIMITS = """limit lab with allow_udp=on, allow_tcp=on, allow_open_mode=on, allow_no_endpoint=on
limit nobody with parent=lab, allow_udp=off, allow_tcp=off, allow_open_mode=off
assign default nobody
assign net 127.0.0.0/8 lab
assign net ::1/128 lab
assign net 192.168.40.0/22 lab
assign net fd12:3456:789a::/48 lab
"""

OUR_GUEST = "testers=iperf3+ping+traceroute, max_streams=4"
"""What daemon.md 7.1 adds to class guest for our daemon only."""
