"""Tests of simulated meshes."""
