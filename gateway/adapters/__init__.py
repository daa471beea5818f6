"""One machine's adapters of the core's ports."""
