"""What the platform's own tools say, as change events; and what the ledger holds, as the platform's objects. Pure."""
