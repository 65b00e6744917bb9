"""Settings: what there are, where their values come from, which one counts."""
