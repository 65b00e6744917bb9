"""The log of each shard: writing it, reading it, checking it."""
