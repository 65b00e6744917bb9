"""Compaction: older segments become Parquet, their exact bytes kept."""
