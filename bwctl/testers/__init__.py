"""One module per tester: what to run, how to know that it listens, how to read its output."""
