"""The container: one machine's adapters around the worker core."""
