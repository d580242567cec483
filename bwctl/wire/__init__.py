"""Octets to message values and back; the AES block stream. Pure: no socket, no clock."""
