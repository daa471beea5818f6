"""A Worker that classifies what it is sent over and over: POST /<kernel|reference>/<calls>. For bench/kernel.py."""

from __future__ import annotations

import json
from typing import Any

from workers import Response, WorkerEntrypoint

from worker.classification import ReferenceScorer
from worker.edge.kernel_module import KernelScorer


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        if request.method != "POST":
            return Response("ready")
        engine, calls = request.js_object.url.split("/")[-2:]
        scorer = KernelScorer() if engine == "kernel" else ReferenceScorer()
        await scorer.load()
        texts = [text.encode() for text in json.loads(await request.text())]
        for at in range(int(calls)):
            scorer.score(texts[at % len(texts)])
        return Response(str(len(texts)))
