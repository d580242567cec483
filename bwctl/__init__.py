"""BWCTL for Twisted: two daemons agree on a moment, and a real network test runs between them."""

__version__ = "0.1.0"
