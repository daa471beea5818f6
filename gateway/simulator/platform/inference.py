"""What a pod's server answers: OpenAI's chat, as vLLM serves it, as fast as the pool model makes it.

The text is the simulator's own, derived from the prompt and marked as simulated; only the timing is the model's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from typing import Final

from gateway.simulator.exchange import Reply, Simulator, SimulatorSettings
from gateway.simulator.pace import Pacer, PodGone
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.records import Hold, Pod, pod_status_of
from gateway.simulator.platform.timing import PodPacer, PodTiming
from gateway.simulator.pools.gauge import Gauge
from gateway.simulator.pools.parameters import MILLION
from gateway.simulator.request import JsonObject
from worker.routing.pool_readings import told_text

_VERSION: Final = "0.0-simulated"
#: How long an answer that never comes takes.
_NEVER_US: Final = 3_600 * MILLION
#: Events that still arrive before a connection is cut in the middle of an answer.
_EVENTS_BEFORE_A_CUT: Final = 3


class PodServer:
    """The servers in the pods of one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._settings = SimulatorSettings(frozenset(platform.settings.models), platform.settings.most_body_bytes)

    async def reply(
        self, name: str, method: str, path: str, header: Callable[[str], str | None], body: bytes
    ) -> tuple[Reply, int]:
        """Answer one request to a pod, and when to send it (the platform's clock; 0 = now). Raises: PodGone, where
        there would be no connection or none any more."""
        platform = self._platform
        platform.pump.catch_up()
        hold, pod, serves = self._find(name)
        if not serves:
            raise PodGone
        step = {"/health": "health", "/v1/models": "models", "/metrics": "pod_metrics"}.get(path, "inference")
        kind = platform.faults.take(step)
        if kind is not None and (done := self._failed(kind)) is not None:
            return done
        if path == "/metrics" and method == "GET":
            return _text(self._metrics(hold, pod), "text/plain; version=0.0.4"), 0
        if path == "/version" and method == "GET":
            return _text(json.dumps({"version": _VERSION, "simulated": True}), "application/json"), 0
        pacing = _OnePod(platform, hold, pod, fails=kind == "pod_fails")
        reply = await Simulator(self._settings, _Time(platform), pacing).reply(method, path, header, body)
        if kind == "drop_after":
            if reply.events is None:
                raise PodGone
            reply = Reply(reply.status, reply.headers, events=_cut(reply.events))
        return reply, 0

    def status(self, name: str) -> str:
        """What a pod is in, in words, for whoever asks a pod that doesn't serve."""
        found = [(hold, pod) for hold in self._platform.live_holds() for pod in hold.pods if pod.name == name]
        if not found:
            return "there is no such pod"
        return f"the pod is {pod_status_of(*found[0])}, and its server doesn't answer yet"

    def _find(self, name: str) -> tuple[Hold, Pod, bool]:
        """The pod and whether its server answers. Raises: PodGone."""
        platform = self._platform
        for hold in platform.live_holds():
            for pod in hold.pods:
                if pod.name == name:
                    serves_us = platform.serves_from_us(hold, pod)
                    return hold, pod, serves_us is not None and serves_us <= platform.now_us
        raise PodGone

    def _failed(self, kind: str) -> tuple[Reply, int] | None:
        """What a fault answers in the place of the server. Raises: PodGone."""
        if kind == "drop":
            raise PodGone
        if kind in ("hang", "hang_after"):
            return _text("", "text/plain"), self._platform.clock.now_us() + _NEVER_US
        if kind in ("empty", "empty_before"):
            return _text("", "application/json"), 0
        if kind == "garbage":
            return _text("<html><body>502 Bad Gateway</body></html>", "text/html"), 0
        status = {"busy": 503, "error": 500, "error_after": 500, "unauthorized": 401, "not_found": 404, "refuse": 429}
        if kind not in status:
            return None
        error = {"object": "error", "message": "simulated fault", "type": "fault", "param": None, "code": status[kind]}
        return _text(json.dumps(error), "application/json", status[kind]), 0

    def _metrics(self, hold: Hold, pod: Pod) -> str:
        tenant = hold.tenant(pod)
        running, waiting = (tenant.running_count, len(tenant.waiting)) if tenant is not None else (0, 0)
        most = self._platform.settings.server.batch
        label = f'{{model_name="{self._platform.settings.models[0]}",engine="0"}}'
        figures = (
            ("num_requests_running", "gauge", running),
            ("num_requests_waiting", "gauge", waiting),
            ("kv_cache_usage_perc", "gauge", running / most),
            ("prompt_tokens_total", "counter", pod.prompt_tokens),
            ("generation_tokens_total", "counter", pod.output_tokens),
        )
        lines = [
            "# HELP vllm:simulated These figures are a model's.",
            "# TYPE vllm:simulated gauge",
            "vllm:simulated 1",
        ]
        for name, kind, value in figures:
            lines += [f"# TYPE vllm:{name} {kind}", f"vllm:{name}{label} {value}"]
        return "\n".join(lines) + "\n"


class _Time:
    """The platform's clock, as an answer wants it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def now_us(self) -> int:
        return self._platform.utc_us(self._platform.now_us)

    def monotonic_us(self) -> int:
        return self._platform.clock.now_us()


class _OnePod:
    """The only pod there is for a request. `fails`: it does, once it has begun to work on it."""

    def __init__(self, platform: Platform, hold: Hold, pod: Pod, *, fails: bool) -> None:
        self._platform = platform
        self._hold = hold
        self._pod = pod
        self._fails = fails

    def at(self, pool: str | None) -> Pacer:
        return self

    def tells(self, pool: str | None) -> str:
        """What the pod's card says of its neighbours: no server of the real platform does, so only if it is set."""
        tenant = self._hold.tenant(self._pod)
        if tenant is None or not self._platform.settings.tells_pool_state:
            return ""
        gauge = self._pod.gauge
        if gauge is None or gauge.tenant is not tenant:
            gauge = self._pod.gauge = Gauge(self._platform.pump.engine, tenant)
        reading = gauge.read()
        return "" if reading is None else told_text(reading)

    def overview(self) -> list[JsonObject]:
        return []

    def begin(self, model: str, prompt_tokens: int, output_tokens: int) -> PodTiming:
        self._pod.prompt_tokens += prompt_tokens
        self._pod.output_tokens += output_tokens
        pacer = PodPacer(self._platform.pump, self._hold.tenant(self._pod))
        timing = pacer.begin(model, prompt_tokens, output_tokens)
        if self._fails:
            self._platform.fail_pods(self._hold)
        return timing


async def _cut(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The first events of a stream; then its server is gone."""
    try:
        for _ in range(_EVENTS_BEFORE_A_CUT):
            yield await anext(events)
        raise PodGone
    finally:
        await events.aclose()


def _text(text: str, content_type: str, status: int = 200) -> Reply:
    body = text.encode()
    headers = [("content-type", content_type), ("content-length", f"{len(body)}"), ("x-harpoon-simulated", "1")]
    return Reply(status, headers, body)
