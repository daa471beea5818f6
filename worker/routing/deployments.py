"""The names of deployments, in any of their spellings, and the provider each stands for."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from worker.routing.labels import fold_ascii

NATIVE: Final = "native"
HOSTED_AI: Final = "hosted-ai"
SIMULATOR: Final = "simulator"
#: Without - and _, in lower case. `cpu` and `mlx` are two ways to serve on one's own machine.
_PROVIDERS: Final = MappingProxyType(
    {
        "native": NATIVE,
        "cpu": NATIVE,
        "mlx": NATIVE,
        "hostedai": HOSTED_AI,
        "lightweight": SIMULATOR,
        "mock": SIMULATOR,
        "simulator": SIMULATOR,
    }
)
#: What to say of a name that is none of them.
DEPLOYMENTS: Final = "native (or cpu, mlx), hosted_ai, lightweight (or mock)"


def provider_of_deployment(name: str) -> str | None:
    """The provider that a deployment name stands for, whatever its case, - and _; None for any other word."""
    return _PROVIDERS.get(fold_ascii(name).replace("-", "").replace("_", ""))
