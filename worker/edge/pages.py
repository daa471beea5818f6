"""Answers a page's other names from the Worker's static assets; wrangler.toml sends these paths here first.

A file at its own path never comes here: the runtime answers it by itself.
"""

from __future__ import annotations

from typing import Any

from worker.api.pages import PAGE_NAMES, file_named
from worker.edge.bindings import raw_environment

READ = ("GET", "HEAD")
NOT_FOUND = 404


async def page_of(js_request: Any, env: Any) -> Any | None:
    """The JS Response with the page that a request asks for by another name, or None: the application answers it."""
    if js_request.method not in READ:
        return None
    url = js_request.url.partition("?")[0]
    path = "/" + url.partition("://")[2].partition("/")[2]
    if path not in PAGE_NAMES:
        return None
    accept = js_request.headers.get("accept")
    file = file_named(path, accept if isinstance(accept, str) else None)
    assets = getattr(raw_environment(env), "ASSETS", None)
    if file is None or assets is None:
        return None
    found = await assets.fetch(js_request.constructor.new(url.removesuffix(path) + file, js_request))
    return None if found.status == NOT_FOUND else found
