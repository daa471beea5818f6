"""Reports completed AI sessions: `SessionCompletionRuntime(api_key=...).capture({...})`."""

from __future__ import annotations

from scr_sdk.asgi import SessionCompletionMiddleware
from scr_sdk.client import SessionCompletionRuntime, Stats
from scr_sdk.errors import InvalidEvent, RuntimeClosed, SdkError, SpoolFull, SpoolUnavailable
from scr_sdk.event import Captured

__all__ = [
    "Captured",
    "InvalidEvent",
    "RuntimeClosed",
    "SdkError",
    "SessionCompletionMiddleware",
    "SessionCompletionRuntime",
    "SpoolFull",
    "SpoolUnavailable",
    "Stats",
]
