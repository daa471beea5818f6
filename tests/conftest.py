"""How property tests run: the same examples every time, and no clock that could fail one on a busy machine.

`HYPOTHESIS_PROFILE=explore pytest ...` looks for new examples instead, and for longer.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_NO_CLOCK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("usual", derandomize=True, **_NO_CLOCK)  # type: ignore[arg-type]  # one type a key
settings.register_profile("explore", max_examples=2_000, **_NO_CLOCK)  # type: ignore[arg-type]  # one type a key
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
