"""bwctld: options, configuration file, and the service that twistd runs."""
