"""Sessions on one machine: their configuration file."""
