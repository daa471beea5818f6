"""The HTTP surfaces: one file for each."""
