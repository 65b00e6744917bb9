"""What operators do to a ledger's surroundings: notes, redriving and dropping quarantined records, erasing people."""
