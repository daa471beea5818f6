"""The tamper-evident log: canonical bytes, hashing, Merkle tree, entries, checkpoints."""
