"""The settings of `ledger serve`. Pure."""

from typing import Any, Final

from ledger.config.setting import Kind, Setting

__all__ = ["API"]


def _api(name: str, kind: Kind, help: str, **more: Any) -> Setting:
    return Setting(name=name, section="api", kind=kind, help=help, **more)


API: Final = (
    _api(
        "api_host",
        Kind.text,
        "the address at which the HTTP API listens",
        option="--host",
        has_namesakes=True,
        default="127.0.0.1",
    ),
    _api(
        "api_port",
        Kind.integer,
        "its port; 0 takes a free one",
        option="--port",
        has_namesakes=True,
        default=7480,
        minimum=0,
    ),
    _api(
        "trusted_proxies",
        Kind.text,
        "addresses of proxies whose X-Forwarded-For says where a request is from, with commas between; default: nobody's",
        example='"10.0.0.7"',
    ),
    _api(
        "audit_dir",
        Kind.path,
        "directory of the audit trail; default: audit/ in a local ledger",
        option="--audit-dir",
        example='"./audit-trail"',
    ),
    _api("max_connections", Kind.integer, "connections at once; more are refused", default=1000, minimum=1),
    _api(
        "max_header_bytes",
        Kind.integer,
        "bytes of a request's line and headers together",
        default=32 << 10,
        minimum=1,
    ),
    _api("max_body_bytes", Kind.integer, "bytes of a request's body", default=64 << 20, minimum=1),
    _api(
        "header_timeout_s",
        Kind.number,
        "seconds that a request's headers may take to arrive,",
        default=10.0,
        minimum=0.1,
    ),
    _api("body_timeout_s", Kind.number, "that its body may take,", default=60.0, minimum=0.1),
    _api(
        "answer_timeout_s",
        Kind.number,
        "and that all of it may take, the answer included; streams are without this limit",
        default=120.0,
        minimum=0.1,
    ),
    _api(
        "idle_timeout_s",
        Kind.number,
        "seconds that a connection may stay open between requests",
        default=30.0,
        minimum=1,
    ),
    _api(
        "entry_timeout_s",
        Kind.number,
        "seconds that the answer to a change waits for its entry",
        default=60.0,
        minimum=0.1,
    ),
    _api(
        "platform_zones",
        Kind.text,
        "zones that wrangler may find by name, NAME=ID with commas between; default: none",
        example='"acme.example=023e105f4ecef8ad9ca31a8372d0c353"',
    ),
    _api(
        "platform_subdomain",
        Kind.text,
        "the account's subdomain of workers.dev, as wrangler is told it",
        default="workers",
    ),
    _api(
        "token_rate",
        Kind.number,
        "requests a second of a token that has no limit of its own,",
        default=20_000.0,
        minimum=0.01,
    ),
    _api("token_burst", Kind.number, "and how many of them may come at once", default=20_000.0, minimum=1),
    _api(
        "token_check_s",
        Kind.number,
        "seconds between looks which tokens were made or revoked",
        default=0.5,
        minimum=0.05,
    ),
    _api(
        "finish_timeout_s",
        Kind.number,
        "seconds to finish what is being answered when told to stop",
        default=15.0,
        minimum=1,
    ),
)
"""In the order in which they are shown."""
