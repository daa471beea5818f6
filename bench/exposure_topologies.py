"""Who sees which fields of a session's event, for two ways of running the session runtime, by their routes alone.

    python -m bench.exposure_topologies [--write presentation/slides/exposure.json]

The routes are bench/exposure/provider.yaml and third-party.yaml; what each party sees and can infer is worked out by
`worker.sessions.exposure` through every rule, transform and passing on. Nothing is sent. Without `--write` the table is
printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

from bench.run import say
from gateway.sessions.routes_yaml import load_routes
from worker.sessions.exposure import ENVELOPE, exposures, named_paths
from worker.sessions.fields import FIELDS

FOLDER: Final = Path(__file__).parent / "exposure"
TOPOLOGIES: Final = ("provider", "third-party")
COMMAND: Final = "python -m bench.exposure_topologies --write presentation/slides/exposure.json"


def topologies() -> dict[str, Any]:
    """The file: every field there is, and for each topology its parties, with who hands them what."""
    routes = {name: load_routes(FOLDER / f"{name}.yaml") for name in TOPOLOGIES}
    # The same parts of metadata are told by name in both, so that they can be compared.
    apart = frozenset[tuple[str, ...]]().union(*[named_paths(one) for one in routes.values()])
    plain: dict[str, Any] = {}
    for name, one in routes.items():
        parties: list[dict[str, Any]] = [
            {"party": found.party, "seen": sorted(found.seen), "inferred": sorted(found.inferred - found.seen)}
            for found in exposures(one, apart)
        ]
        reached = sorted({destination for rule in one.rules for destination in rule.to})
        plain[name] = {
            "routes": f"bench/exposure/{name}.yaml",
            "destinations": [[destination, one.destinations[destination].party] for destination in reached],
            "passes_on": [[giver, share.party] for giver, shares in sorted(one.shares.items()) for share in shares],
            "parties": parties,
        }
    fields = {field for one in plain.values() for party in one["parties"] for field in party["seen"]}
    fields |= {field.path for field in FIELDS} | ENVELOPE
    return {"command": COMMAND, "envelope": sorted(ENVELOPE), "fields": sorted(fields), "topologies": plain}


def main() -> None:
    """Work it out, print how much each party sees, and write the file if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    found = topologies()
    for name, topology in found["topologies"].items():
        for party in topology["parties"]:
            say(f"{name}: {party['party']} sees {len(party['seen'])} of {len(found['fields'])} fields")
    if asked.write:
        asked.write.write_text(json.dumps(found, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
