"""GET /openapi.json: the surfaces' descriptions put together. The simulator is no part of it."""

from __future__ import annotations

from worker.api.dashboard_login import COOKIE
from worker.api.health import VERSION
from worker.api.openapi import (
    administration,
    canon,
    chat,
    covenant,
    dashboard,
    endpoints,
    inspection,
    interference,
    ledger,
    operations,
    plain_text,
    sessions,
)
from worker.api.openapi.parts import Plain, error_responses, error_schema, headers


def document() -> Plain:
    """The description as plain values."""
    surfaces = (
        chat,
        endpoints,
        plain_text,
        covenant,
        inspection,
        canon,
        interference,
        ledger,
        sessions,
        dashboard,
        operations,
        administration,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Harpoon",
            "version": VERSION,
            "summary": "An AI gateway at the edge that turns intent into infrastructure",
            "description": "Errors always have OpenAI's shape; a path or method that is not here is a 404 or 405.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {path: item for surface in surfaces for path, item in surface.paths().items()},
        "components": {
            "schemas": {
                "Error": error_schema(),
                **{name: schema for surface in surfaces for name, schema in surface.schemas().items()},
            },
            "headers": headers(),
            "responses": error_responses(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "hk_<tenant>_<secret>; on a loopback address without tokens, none is needed",
                },
                "administrator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "HARPOON_ADMIN_TOKEN; while it is unset, administration is off (404)",
                },
                "dashboard": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "by POST /dashboard/login; an open gateway without a login needs none",
                },
            },
        },
    }
