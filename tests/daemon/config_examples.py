"""Worked examples of bwctl-server.conf (daemon.md 7); C 1.6.7 loads them too."""

PUBLIC_CONF = """src_node            :4823
user                bwctl
group               bwctl
var_dir             /run/bwctl
facility            local5
priority            info
access_priority     info
# open in the firewall: 4823, these two ranges, and the owamp range (TCP and UDP)
peer_port           6001-6200
test_port           5202-5400
owamp_port          5601-5700
# no allow_unsync: without a good clock this host should refuse
sync_fuzz           0.1
die_by              10
disable_nuttcp
"""

LAB_CONF = """src_node            192.168.40.11:4823
root_folly
var_dir             /run/bwctl
allow_unsync
# set to how far the hosts' clocks may be apart
sync_fuzz           0.5
peer_port           6001-6100
test_port           5202-5300
verbose
priority            debug
log_location
"""

OUR_CONF = """max_connections 500
max_connections_per_host 16
handshake_timeout 15
control_timeout 600
"""
"""What daemon.md 7.1 adds for our daemon only."""
