"""What a server with this machine's settings would decide, worked out here: the same functions, without any state.

Nothing is remembered, so budgets are untouched, times are the catalogue's and no breaker is open. Settings are read as
`harpoon serve` reads them.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from gateway.adapters.host import PureHasher
from gateway.failure import NO, UNASKED, CommandFailed
from gateway.home import home_folder
from gateway.settings import HostSettings, find_config, read_settings
from worker.admission import Facts
from worker.admitting import Weighed, weigh
from worker.api.asked import request_digest
from worker.api.guarding import guard_chat
from worker.api.route import chat_body, explanation
from worker.budget import Account
from worker.classification import Classification, prompt_text, scorer_of
from worker.errors import HarpoonError, PolicyError, UnreadableCovenant
from worker.guard.guarding import guarded_facts
from worker.inspection import explain
from worker.routing.candidates import build_candidates, requested_routes
from worker.tenants.standing import standing_of
from worker.upstream.wire import ChatRequest, parse_chat

TENANT = "local"


def local_settings() -> HostSettings:
    """The settings that a server here would have. Raises: CommandFailed."""
    try:
        return read_settings(os.environ, {}, find_config(os.environ, None, home_folder()))
    except HarpoonError as problem:
        raise CommandFailed(problem.message) from problem


class Offline:
    """Explains decisions as POST /v2/route does."""

    def __init__(self) -> None:
        """Raises: CommandFailed for settings that can't be used."""
        self._settings = local_settings()
        self._hasher = PureHasher()
        asyncio.run(self._hasher.load())
        self._config = self._settings.configuration.mediator_config(self._hasher)

    def explain(self, body: bytes) -> dict[str, Any]:
        """The explanation of a body of POST /v2/route. Raises: CommandFailed."""
        limits = self._settings.configuration.limits
        catalogue = self._config.catalogue
        try:
            chat = chat_body(body, limits.json)
            request = parse_chat(chat, None, limits.json)
            if request.covenant_id:
                raise CommandFailed("a stored covenant is known to its server only: leave --offline out", UNASKED)
            requested_routes(catalogue, request.model)
            found = scorer_of(self._settings.configuration.correction).score(prompt_text(request.messages))
            facts = _facts(chat, request, found, limits.request_us)
            guarded = guard_chat(self._settings.configuration.guard, request)
            if guarded is not None:
                facts = guarded_facts(facts, guarded)
            return explanation(catalogue, facts, explain(self._weigh(facts), self._hasher, self._config, facts))
        except HarpoonError as problem:
            status = NO if isinstance(problem, PolicyError | UnreadableCovenant) else UNASKED
            raise CommandFailed(problem.message, status) from problem

    def _weigh(self, facts: Facts) -> Weighed:
        """The decision on these facts where nothing was ever spent or observed."""
        config = self._config
        standing = standing_of(config, TENANT)
        names = standing.accounts(facts.policy, facts.at_us, "", "")
        accounts = [Account(name, cap, 0, 0, exists=False) for name, cap in names.items()]
        candidates = build_candidates(config.catalogue, facts.model, facts.load, {}, config.configured)
        return weigh(config, facts, standing, accounts, candidates)


def _facts(body: bytes, request: ChatRequest, found: Classification, longest_us: int) -> Facts:
    return Facts(
        tenant=TENANT,
        decision_id="dec_offline",
        request_id="req_offline",
        at_us=time.time_ns() // 1_000,
        request_digest=request_digest(body, None),
        model=request.model,
        policy=request.policy,
        classification=found,
        input_bytes=len(body),
        images=request.images,
        choices=request.choices,
        max_output_tokens=request.max_output_tokens,
        needs=request.needs,
        time_limit_us=min(request.policy.deadline_us or longest_us, longest_us),
        session_id="",
        user_id="",
    )
