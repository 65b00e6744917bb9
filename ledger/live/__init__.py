"""The ledger as it is now: followed in memory for a server, and events sent to it."""
