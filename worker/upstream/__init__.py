"""The way to a provider: bodies, streams, attempts, retries."""
