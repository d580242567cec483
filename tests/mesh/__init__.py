"""Tests of mesh files and plans."""
