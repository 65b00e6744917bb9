"""Apache Kafka with the listeners that clusters have: SASL over TLS, certificates of clients, one whose own has expired."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from tests.kafka.brokers import Broker, free_ports, run_kafka
from tests.kafka.certificates import Authority
from tests.kafka.tokens import USER

__all__ = ["KEY_PASSWORD", "PASSWORD", "Secured", "run_secured"]

PASSWORD: Final = "correct-horse battery"
KEY_PASSWORD: Final = "of the key"

_MODULES: Final = "org.apache.kafka.common.security"
_PROPERTIES: Final = """\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},SECURE://127.0.0.1:{secure},\
MUTUAL://127.0.0.1:{mutual},EXPIRED://127.0.0.1:{expired},CLEAR://127.0.0.1:{clear}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{secure},MUTUAL://127.0.0.1:{mutual},\
EXPIRED://127.0.0.1:{expired},CLEAR://127.0.0.1:{clear}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL,\
CLEAR:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={server_file}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location={expired_file}
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.clear.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.clear.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
listener.name.secure.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required \
unsecuredLoginStringClaim_sub="broker";
listener.name.secure.oauthbearer.connections.max.reauth.ms=1500
"""


class Secured(msgspec.Struct, frozen=True, kw_only=True):
    """A running broker, its addresses, and the files for its clients."""

    broker: Broker
    """Reached without TLS and SASL."""
    secure: str
    """SASL over TLS."""
    mutual: str
    """TLS, with certificates of clients."""
    expired: str
    """TLS with a certificate that is over."""
    clear: str
    """SASL without TLS, SCRAM-SHA-512 only."""
    authority: Path
    other_authority: Path
    client: Path
    """Key and certificate, the key encrypted with `KEY_PASSWORD`."""
    stranger: Path
    """The same of a client whom the other authority has signed."""


@contextmanager
def run_secured(directory: Path) -> Iterator[Secured]:
    """Start it, and end it with the block."""
    authority, other = Authority(directory, "authority"), Authority(directory, "other-authority")
    secure, mutual, expired, clear = free_ports(4)
    properties = _PROPERTIES.format(
        secure=secure,
        mutual=mutual,
        expired=expired,
        clear=clear,
        modules=_MODULES,
        user=USER,
        password=PASSWORD,
        authority=authority.file,
        server_file=authority.issue("server"),
        expired_file=authority.issue("expired", ends_in=-timedelta(days=1)),
    )
    users = [
        part
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for part in ("--add-scram", f'{mechanism}=[name="{USER}",password="{PASSWORD}"]')
    ]
    data = directory / "kafka"
    data.mkdir()
    with run_kafka(data, properties, users) as broker:
        yield Secured(
            broker=broker,
            secure=f"127.0.0.1:{secure}",
            mutual=f"127.0.0.1:{mutual}",
            expired=f"127.0.0.1:{expired}",
            clear=f"127.0.0.1:{clear}",
            authority=authority.file,
            other_authority=other.file,
            client=authority.issue("client", password=KEY_PASSWORD),
            stranger=other.issue("stranger"),
        )
