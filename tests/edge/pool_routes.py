"""Runs the pool model in the Worker, for tests/edge/test_pool_model.py; never deployed.

The model is the gateway's and lies in no Worker, so its sources come with the request, as a zip file to import from.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def run_pools(request: Request) -> Response:
    """The digest of the story for each seed of the query; the body: a zip with pool_story.py and what it imports."""
    story = _import_story(await request.body())
    digests = [story.digest_of(int(seed)) for seed in request.query_params.getlist("seed")]
    return JSONResponse({"digests": digests, "platform": sys.platform})


def _import_story(packed: bytes) -> ModuleType:
    archive = Path(tempfile.mkdtemp()) / "pools.zip"
    archive.write_bytes(packed)
    sys.path.append(str(archive))
    return importlib.import_module("pool_story")


POOL_ROUTES = [Route("/pools", run_pools, methods=["POST"])]
