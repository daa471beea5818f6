"""Cloudflare adapters: the only modules, with `worker.entry`, that import `js`, `pyodide` and `workers`."""
