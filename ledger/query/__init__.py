"""Questions to a ledger: DuckDB views over the segments, and typed answers from them."""
