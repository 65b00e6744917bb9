"""From a cluster's settings to those of each client: sockets of our own, kafka-python, aiokafka."""

import logging
import ssl
from pathlib import Path
from typing import Any, Final

from kafka.net.sasl.oauth import AbstractTokenProvider

from ledger.broker.cluster import Cluster, Mechanism
from ledger.broker.tokens import TokenSource, token_source
from ledger.errors import UsageError

__all__ = ["kafka_python_options", "sasl_options", "silence_client", "tls_context"]

_ESCAPES: Final = str.maketrans({"=": "=3D", ",": "=2C"})
"""RFC 5802, section 5.1: of names in SCRAM's messages. kafka-python leaves it to us."""


def silence_client() -> None:
    """Keep kafka-python from writing to the log what it raises as well; `BrokerError` says it."""
    logger = logging.getLogger("kafka")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)


def kafka_python_options(cluster: Cluster) -> dict[str, Any]:
    """The arguments of kafka-python's clients that say where the cluster is, and who we are.

    Raises:
        UsageError: `bad_setting`.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in cluster.bootstrap.split(",")],
        "client_id": cluster.client_id,
        "security_protocol": str(cluster.security_protocol),
        "ssl_context": tls_context(cluster),
    }
    return options | sasl_options(cluster)


def sasl_options(cluster: Cluster) -> dict[str, Any]:
    """The same of its SASL mechanisms alone; empty without SASL."""
    mechanism = cluster.sasl_mechanism
    if not cluster.security_protocol.is_sasl or mechanism is None:
        return {}
    options: dict[str, Any] = {"sasl_mechanism": str(mechanism)}
    if mechanism is Mechanism.OAUTHBEARER:
        return options | {"sasl_oauth_token_provider": _Tokens(token_source(cluster))}
    name = cluster.sasl_username or ""
    password = cluster.sasl_password.reveal() if cluster.sasl_password else ""
    return options | {
        "sasl_plain_username": name if mechanism is Mechanism.PLAIN else name.translate(_ESCAPES),
        "sasl_plain_password": password,
    }


def tls_context(cluster: Cluster) -> ssl.SSLContext | None:
    """How TLS is spoken, TLS 1.2 or later; None without TLS. The broker's certificate is checked always, its host name unless told not to.

    Raises:
        UsageError: `bad_setting`: a file that cannot be read, or does not hold what it should.
    """
    if not cluster.security_protocol.is_tls:
        return None
    for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        _check_readable(name, getattr(cluster, name))
    try:
        context = ssl.create_default_context(cafile=cluster.tls_ca_file)
    except (OSError, ValueError):
        raise _bad("tls_ca_file", cluster.tls_ca_file, "no certificates in PEM form") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = cluster.tls_check_hostname
    if cluster.tls_cert_file is not None:
        _load_certificate(context, cluster.tls_cert_file, cluster)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, cluster: Cluster) -> None:
    asked = False

    def password() -> str:
        # Without one OpenSSL would ask on the terminal.
        nonlocal asked
        asked = True
        return cluster.tls_key_password.reveal() if cluster.tls_key_password else ""

    try:
        context.load_cert_chain(certificate, cluster.tls_key_file, password)
    except (OSError, ValueError) as error:
        key = "tls_cert_file" if cluster.tls_key_file is None else "tls_key_file"
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            why = "this key is not the one of the certificate"
        elif asked:
            why = "tls_key_password does not open it" if cluster.tls_key_password else "it needs tls_key_password"
        else:
            why = "no certificate with its key in PEM form"
        raise _bad(key, cluster.tls_key_file or certificate, why) from None


def _check_readable(name: str, path: str | None) -> None:
    if path is not None:
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise _bad(name, path, error.strerror or str(error)) from None


def _bad(name: str, path: str | None, why: str) -> UsageError:
    return UsageError("bad_setting", f"{name} {path}: {why}", "`ledger config` shows where each setting comes from")


class _Tokens(AbstractTokenProvider):  # type: ignore[misc] # kafka-python has no types
    """A token source as kafka-python wants it."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def token(self) -> str:
        return self._source.token()
