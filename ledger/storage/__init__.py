"""Where a ledger lies: names of objects, stores that keep them durably, keys and blobs."""
