"""Witnesses: asking others to cosign this ledger's checkpoints, and cosigning those of others. The rules are in `ledger.proof`."""
