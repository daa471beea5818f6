"""Benchmarks: the gateway beside a bare pass-through, the request path's parts, and the Worker in raw workerd."""
