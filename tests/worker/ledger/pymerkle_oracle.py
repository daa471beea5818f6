"""Run in the environment of setup_oracle.py: what pymerkle says of the same entries, as JSON from and to a pipe.

In: entries (hex), inclusions ([entry, size]), consistencies ([first, second]), ranges ([start, end]). Out: leaves,
roots by size, the hashes of each inclusion proof, and the root over each range. It has verified its own proofs of all.
"""

from __future__ import annotations

import json
import sys

from pymerkle import InmemoryTree, verify_consistency, verify_inclusion  # type: ignore[import-not-found]


def main() -> None:
    asked = json.load(sys.stdin)
    tree = InmemoryTree(algorithm="sha3_256")
    for entry in asked["entries"]:
        tree.append_entry(bytes.fromhex(entry))
    roots = [tree.get_root(size) for size in range(len(asked["entries"]) + 1)]
    inclusions = []
    for entry, size in asked["inclusions"]:
        proof = tree.prove_inclusion(entry + 1, size)  # it counts from 1
        verify_inclusion(tree.get_leaf(entry + 1), roots[size], proof)
        inclusions.append(proof.serialize()["path"])
    for first, second in asked["consistencies"]:
        verify_consistency(roots[first], roots[second], tree.prove_consistency(first, second))
    ranges = []
    for start, end in asked["ranges"]:
        part = InmemoryTree(algorithm="sha3_256")
        for entry in asked["entries"][start:end]:
            part.append_entry(bytes.fromhex(entry))
        ranges.append(part.get_root(end - start).hex())
    leaves = [tree.get_leaf(number).hex() for number in range(1, len(asked["entries"]) + 1)]
    said = {"leaves": leaves, "roots": [root.hex() for root in roots]}
    json.dump({**said, "inclusions": inclusions, "ranges": ranges}, sys.stdout)


main()
