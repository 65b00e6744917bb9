"""The HTTP API: what wrangler speaks, and the ledger's own. Nothing here is imported by other commands than `serve` and `tokens`."""
