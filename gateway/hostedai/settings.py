"""The settings that say how hosted.ai is spoken to, apart from what reads them: most starts lease nothing."""

from __future__ import annotations

from typing import Final

from worker.settings_table import Setting

#: How the panel's key is sent.
API_KEY, BEARER = "api-key", "bearer"
AUTH_FORMS: Final = (API_KEY, BEARER)
DIRECT, GPUAAS, SIMULATOR = "direct", "gpuaas", "simulator"
DIALECTS: Final = (DIRECT, GPUAAS, SIMULATOR)
#: Requests to this host go to whichever pod a lease holds; the name never leaves the process.
LEASED_HOST: Final = "leased.internal"
LEASED_URL: Final = f"http://{LEASED_HOST}/v1"
HOSTED_AI_SETTINGS: Final = (
    Setting("HOSTED_AI_DIALECT", "direct = a server that is there; gpuaas = leases of pools; simulator", DIRECT),
    Setting("HOSTED_AI_PANEL_URL", "the user panel of hosted.ai, where pools are leased"),
    Setting("HOSTED_AI_PANEL_KEY", "its API key", secret=True),
    Setting("HOSTED_AI_PANEL_AUTH", "how the key is sent: api-key = X-API-Key, or bearer", API_KEY),
    Setting("HOSTED_AI_TEAM_ID", "the team that leases; what it holds on pools that Harpoon leases is Harpoon's"),
    Setting("HOSTED_AI_SERVICE_ID", "the service that pods are made of, where the panel has services"),
    Setting("HOSTED_AI_INSTANCE_TYPE_ID", "instance type of pods"),
    Setting("HOSTED_AI_STORAGE_BLOCK_ID", "block of ephemeral storage of pods"),
    Setting("HOSTED_AI_IMAGE_UUID", "image of pods: a server with an OpenAI-compatible API"),
    Setting("HOSTED_AI_POD_PORT", "port of that server in its pod", "8000"),
    Setting("HOSTED_AI_POD_MEMORY_MB", "VRAM that such a server takes, ours and a neighbour's, in MB", "20000"),
    Setting("HOSTED_AI_GPU_MEMORY_MB", "VRAM of a card, in MB", "94970"),
    Setting("HOSTED_AI_LEASE_BUDGET_USD", "most that leases may cost in all; unset = any amount"),
    Setting("HOSTED_AI_LEASE_IDLE_S", "a lease that nobody used for so long is not prepaid again, in seconds", "900"),
    Setting("HOSTED_AI_LEASE_WAIT_S", "longest wait of a request for a lease that is coming up, in seconds", "5"),
    Setting("HOSTED_AI_ADMIN_URL", "the admin panel, if overcommit may count what other teams take"),
    Setting("HOSTED_AI_ADMIN_USER", "its user"),
    Setting("HOSTED_AI_ADMIN_PASSWORD", "the user's password", secret=True),
)
