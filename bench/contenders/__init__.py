"""What the worker is compared with: each a process of its own that consumes the same topic and prints what it cost."""
