"""What the server can be told; every limit has a default that is documented here."""

import msgspec

from ledger.broker.cluster import Cluster
from ledger.gateway.zones import zones_of

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A server's settings."""

    ledger: str
    """The ledger's directory, or an object store's URL."""
    keys: str | None = None
    """Where its keys are; None: `keys/` in a ledger on this machine, if there is one."""
    cluster: Cluster | None
    """The brokers that changes are sent to; None: the server takes no changes."""
    insecure: bool = False
    """Whether whoever reaches the port may do everything; only on loopback."""
    api_host: str = "127.0.0.1"
    """The address to listen at."""
    api_port: int = 7480
    """The port; 0 takes a free one."""
    trusted_proxies: str | None = None
    """Addresses of proxies before the server, with commas between, whose `X-Forwarded-For` says where a request is from; None: nobody's."""
    audit_dir: str | None = None
    """Where the audit trail is written; None: `audit/` in a ledger on this machine."""
    max_connections: int = 1000
    """Connections at once; more are refused."""
    max_header_bytes: int = 32 << 10
    """Of one request: its line and all its headers."""
    max_body_bytes: int = 64 << 20
    """Of one request."""
    header_timeout_s: float = 10.0
    """How long a request's headers may take to arrive,"""
    body_timeout_s: float = 60.0
    """how long its body,"""
    answer_timeout_s: float = 120.0
    """and how long all of it, from its headers to the last byte of the answer; streams are without this limit."""
    idle_timeout_s: float = 30.0
    """How long a connection may stay open between requests."""
    entry_timeout_s: float = 60.0
    """How long the answer to a change waits for its entry."""
    platform_zones: str | None = None
    """The zones that the platform's tools may find, `NAME=ID` with commas between; None: none."""
    platform_subdomain: str = "workers"
    """The account's subdomain, as the platform's tools are told it."""
    token_rate: float = 20_000.0
    """Requests of one token a second, where it has no limit of its own,"""
    token_burst: float = 20_000.0
    """and how many of them may come at once."""
    token_check_s: float = 0.5
    """How often it is looked which tokens were made or revoked."""
    finish_timeout_s: float = 15.0
    """How long to finish what is being answered when told to stop."""
    log_format: str = "auto"
    """`text`, `json`, or `auto`: text on a terminal and JSON elsewhere."""
    log_level: str = "info"
    """What is said at least: `info`, `warning` or `error`."""

    def __post_init__(self) -> None:
        """Raises UsageError `bad_zones`: said when the server starts, not when somebody asks for a zone."""
        zones_of(self.platform_zones or "")
