"""Limit classes, assign rules and user keys. Pure: parsers take text."""
