"""Twisted carries what the pure rooms decide: protocols, services, child processes."""
