"""Proofs: the Merkle tree, signed notes and checkpoints. Pure; formats after RFC 6962 and C2SP."""
