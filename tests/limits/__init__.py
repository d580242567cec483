"""Tests of limits classes, assign rules and keys."""

from hypothesis import HealthCheck, settings

QUIET = settings(
    deadline=None,
    derandomize=True,
    max_examples=200,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors],
)
