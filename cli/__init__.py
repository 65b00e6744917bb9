"""The command line: presentation only. Each command asks `ledger` and shows the answer; one file a group."""
