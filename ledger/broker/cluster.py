"""A Kafka cluster as a client has to know it: addresses, TLS, who it is there. Says what belongs together; opens nothing."""

import re
from enum import StrEnum
from typing import Final

import msgspec

from ledger.errors import UsageError

__all__ = ["Cluster", "Mechanism", "Protocol", "Secret", "Where", "as_cluster", "split_bootstrap"]

DEFAULT_PORT: Final = 9092
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\],]+))(?::(?P<port>[0-9]{1,5}))?")


class Protocol(StrEnum):
    """What is spoken at the broker's port, as Kafka calls it."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_tls(self) -> bool:
        """Whether TLS is below."""
        return self in {Protocol.SSL, Protocol.SASL_SSL}

    @property
    def is_sasl(self) -> bool:
        """Whether the client says who it is with SASL."""
        return self in {Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL}


class Mechanism(StrEnum):
    """SASL mechanisms that all our clients have."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class Secret:
    """A value that is shown nowhere: it prints as stars, whoever prints what holds it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def reveal(self) -> str:
        """The value, for the client that has to send it."""
        return self._value


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """What every client is built from. A field without a value is not used."""

    bootstrap: str
    """`HOST:PORT`, or several with commas between; the first that answers is taken."""
    client_id: str = "ledger"
    """The name under which the broker logs and limits us."""
    security_protocol: Protocol = Protocol.PLAINTEXT
    sasl_mechanism: Mechanism | None = None
    sasl_username: str | None = None
    sasl_password: Secret | None = None
    sasl_token_file: str | None = None
    """A file with the token for OAUTHBEARER, read anew for each connection."""
    sasl_token_command: str | None = None
    """A command that prints it, run again before the token ends."""
    tls_ca_file: str | None = None
    """The certificates that are trusted, PEM; the system's where None."""
    tls_cert_file: str | None = None
    """The client's own certificate, PEM."""
    tls_key_file: str | None = None
    """Its key, where it is not in the same file."""
    tls_key_password: Secret | None = None
    tls_check_hostname: bool = True
    """Whether the broker's certificate must name the host that was asked for."""

    def check(self) -> None:
        """Refuse settings of which one would be of no effect, or that lack one: nobody is to believe in TLS that is not there.

        Raises:
            UsageError: `bad_bootstrap`, `bad_setting`.
        """
        split_bootstrap(self.bootstrap)
        if self.security_protocol.is_tls:
            self._check_certificate()
        else:
            self._refuse("needs TLS: security_protocol = SSL or SASL_SSL", _TLS)
        if self.security_protocol.is_sasl:
            self._check_sasl()
        else:
            self._refuse("needs SASL: security_protocol = SASL_SSL or SASL_PLAINTEXT", _SASL)

    def _check_certificate(self) -> None:
        if self.tls_cert_file is None and (self.tls_key_file is not None or self.tls_key_password is not None):
            raise _lacking("the client's key", "tls_cert_file")

    def _check_sasl(self) -> None:
        if self.sasl_mechanism is None:
            raise _lacking(f"security_protocol {self.security_protocol}", "sasl_mechanism")
        if self.sasl_mechanism is Mechanism.OAUTHBEARER:
            self._refuse("is of no use with OAUTHBEARER", ("sasl_username", "sasl_password"))
            if (self.sasl_token_file is None) == (self.sasl_token_command is None):
                raise _lacking("sasl_mechanism OAUTHBEARER", "sasl_token_file or sasl_token_command, one of them")
            return
        self._refuse("is for sasl_mechanism OAUTHBEARER", ("sasl_token_file", "sasl_token_command"))
        if not self.sasl_username:
            raise _lacking(f"sasl_mechanism {self.sasl_mechanism}", "sasl_username")
        if self.sasl_password is None or not self.sasl_password.reveal():
            raise _lacking(f"sasl_mechanism {self.sasl_mechanism}", "sasl_password or sasl_password_file")

    def _refuse(self, why: str, names: tuple[str, ...]) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise UsageError("bad_setting", f"{name} {why}", "`ledger config` shows where each setting comes from")


_TLS: Final = ("tls_ca_file", "tls_cert_file", "tls_key_file", "tls_key_password")
_SASL: Final = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_token_file", "sasl_token_command")

Where = Cluster | str
"""A cluster, or the bootstrap list of one without TLS and SASL."""


def as_cluster(where: Where) -> Cluster:
    """The cluster that is meant."""
    return Cluster(bootstrap=where) if isinstance(where, str) else where


def split_bootstrap(bootstrap: str) -> list[tuple[str, int]]:
    """The addresses of a bootstrap list: `host`, `host:port` or `[v6]:port`, with commas between.

    Raises:
        UsageError: `bad_bootstrap`.
    """
    addresses = []
    for part in bootstrap.split(","):
        match = _ADDRESS.fullmatch(part.strip())
        port = int(match["port"] or DEFAULT_PORT) if match else 0
        if match is None or not 0 < port < 1 << 16:
            raise UsageError(
                "bad_bootstrap", f"not an address of a broker: {part!r}", "give HOST:PORT, such as 127.0.0.1:9092"
            )
        addresses.append((match["v6"] or match["host"], port))
    return addresses


def _lacking(what: str, name: str) -> UsageError:
    return UsageError("bad_setting", f"{what} needs {name}", "`ledger config --example` shows all settings")
