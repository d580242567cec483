"""The control protocol without I/O: legality table, sessions, negotiation, time arithmetic."""
