"""Deployment ledger: a tamper-evident record of what every serverless script ran, when, and who changed it."""

__version__ = "0.1.0"
