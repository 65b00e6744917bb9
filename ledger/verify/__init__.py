"""Verifying: everything that a ledger says of itself, derived again by a reader that trusts none of it."""
