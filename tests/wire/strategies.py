"""Hypothesis strategies for message values, and the settings of all our property tests."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bwctl.errors import AcceptType
from bwctl.values import SID, ErrorEstimate, Kind, NTPTime, Role, TestSpec, ToolID, kind_of
from bwctl.wire.fields import Mode
from bwctl.wire.request import TestRequest

quiet = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],  # a loaded machine is no defect
)

VERSIONS = range(7)
SINGLE_TOOLS = [tool for tool in ToolID if tool]
SINGLE_MODES = [Mode.OPEN, Mode.AUTHENTICATED, Mode.ENCRYPTED]

octet = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFF)
long = st.integers(0, 0xFFFFFFFF)
blocks = st.binary(min_size=16, max_size=16)
moments = st.integers(0, (1 << 64) - 1).map(NTPTime)
sids = blocks.map(SID)
accepts = st.sampled_from(AcceptType)
errors = st.builds(ErrorEstimate, st.integers(0, 63), st.integers(1, 255), st.booleans())
characters = st.sampled_from(["", *"bBkKmMgGaAjcC\xe9\xff"])
bandwidths = st.builds(lambda mantissa, exponent: mantissa << exponent, long, st.integers(0, 32))


@st.composite
def specs(draw: st.DrawFn) -> TestSpec:
    """A test that version 6 carries whole: only fields of the tool's kind are set."""
    tool = draw(st.sampled_from(SINGLE_TOOLS))
    family = draw(st.sampled_from([IPv4Address, IPv6Address]))
    addresses = st.integers(0, (1 << family(0).max_prefixlen) - 1).map(family)
    common = TestSpec(
        tool=tool,
        client=draw(addresses),
        server=draw(addresses),
        duration=draw(long),
        tos=draw(octet),
        verbose=draw(st.booleans()),
        server_sends=draw(st.booleans()),
        no_server_endpoint=draw(st.booleans()),
        output_format=draw(characters),
    )
    if kind_of(tool) is Kind.LATENCY:
        return replace(
            common,
            packet_count=draw(word),
            packet_size=draw(word),
            packet_spacing_ms=draw(word),
            ttl=draw(octet),
        )
    if kind_of(tool) is Kind.TRACE:
        return replace(common, first_ttl=draw(octet), last_ttl=draw(octet), packet_size=draw(word))
    return replace(
        common,
        udp=draw(st.booleans()),
        bandwidth=draw(bandwidths),
        buffer_length=draw(long),
        window=draw(long),
        dynamic_window=draw(st.booleans()),
        report_interval_ms=draw(long),
        parallel=draw(octet),
        mss=draw(word),
        omit=draw(octet),
        units=draw(characters),
    )


requests = st.builds(
    TestRequest,
    role=st.sampled_from(Role),
    time=moments,
    latest=moments,
    error=errors,
    spec=specs(),
    tool_port=word,
    sid=sids,
)
