"""The Python API: `ledger.open`, and what its answers are. docs/PYTHON.md shows it at work."""
