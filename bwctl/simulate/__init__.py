"""Simulated meshes: real brokers and real clients' negotiation on one virtual clock."""
