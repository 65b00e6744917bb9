"""What comes before the first question on a connection: TLS and SASL. Each way in which they fail is one error that says what to change."""

import socket
import ssl
from typing import Any, Final

from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from ledger.broker.clients import sasl_options, silence_client
from ledger.broker.cluster import Cluster
from ledger.broker.wire import ClosedError, OtherProtocolError, TlsSpokenError, exchange, frame, left
from ledger.errors import BrokerError

__all__ = ["explained", "open_connection"]

_SASL_VERSION: Final = 1
_UNSUPPORTED_MECHANISM: Final = 33
_ILLEGAL_STATE: Final = 34
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_WRONG_HOST: Final = (62, 64)
"""OpenSSL's numbers for what is wrong with a certificate; all others are about who signed it."""
_LOOK: Final = "; `ledger config` shows all settings"


def open_connection(
    address: tuple[str, int], cluster: Cluster, context: ssl.SSLContext | None, deadline: float
) -> socket.socket:
    """A connection over which questions may be asked: TLS is spoken and the broker knows who we are, where the cluster wants that.

    Raises:
        BrokerError: `tls_failed`, `sasl_failed`, `token_failed`.
        OSError: nobody answers there.
    """
    connection = socket.create_connection(address, timeout=left(deadline))
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = _speak_tls(connection, address, context)
        if cluster.security_protocol.is_sasl:
            _authenticate(connection, address, cluster, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def explained(error: OSError, address: tuple[str, int], cluster: Cluster) -> BrokerError | None:
    """What it means that a broker which was reached did not answer: None where there is nothing to say but that."""
    at = _at(address)
    if isinstance(error, TlsSpokenError):
        return _tls(
            f"{at} speaks TLS, and security_protocol is {cluster.security_protocol}", "set it to SSL or SASL_SSL"
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError) and "ALERT" in (error.reason or ""):
        # With TLS 1.3 the broker refuses a client's certificate after the handshake.
        if cluster.tls_cert_file is None:
            return _tls(f"{at} wants to see a certificate of ours", "set tls_cert_file (and tls_key_file)")
        return _tls(
            f"{at} refuses the certificate in {cluster.tls_cert_file} ({error.reason})", "use one that it trusts"
        )
    if isinstance(error, ClosedError):
        return BrokerError(
            "broker_unreachable",
            f"{at} closes the connection when it is spoken to with security_protocol {cluster.security_protocol}",
            "set security_protocol to what its port speaks: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL" + _LOOK,
        )
    return None


def _speak_tls(connection: socket.socket, address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLSocket:
    at = _at(address)
    try:
        return context.wrap_socket(connection, server_hostname=address[0])
    except ssl.SSLCertVerificationError as error:
        raise _untrusted(at, address[0], error) from None
    except (ssl.SSLError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or ""
        closes = ": it closes the connection" if isinstance(error, ConnectionError | ssl.SSLEOFError) else ""
        if "ALERT" in reason:
            raise _tls(
                f"{at} refuses our side of TLS ({reason})", "look at tls_cert_file and at the broker's log"
            ) from None
        raise _tls(
            f"{at} does not speak TLS{closes}",
            "is it the right port? Else set security_protocol to PLAINTEXT or SASL_PLAINTEXT",
        ) from None


def _untrusted(at: str, host: str, error: ssl.SSLCertVerificationError) -> BrokerError:
    if error.verify_code == _EXPIRED:
        return _tls(f"the certificate of {at} has expired", "have the broker's certificate renewed")
    if error.verify_code == _NOT_YET_VALID:
        return _tls(
            f"the certificate of {at} is not valid yet", "look at this machine's clock, and at the broker's certificate"
        )
    if error.verify_code in _WRONG_HOST:
        return _tls(
            f"the certificate of {at} is not one for {host}",
            "use a host name that it is for, or set tls_check_hostname = false",
        )
    return _tls(
        f"the certificate of {at} is signed by nobody that is trusted ({error.verify_message})",
        "set tls_ca_file to the certificate of who signed it",
    )


def _authenticate(connection: socket.socket, address: tuple[str, int], cluster: Cluster, deadline: float) -> None:
    silence_client()
    mechanism = str(cluster.sasl_mechanism)
    hello = SaslHandshakeRequest(mechanism=mechanism, version=_SASL_VERSION)
    answer = _decoded(SaslHandshakeResponse, exchange(connection, frame(hello, cluster.client_id), deadline))
    if answer.error_code == _ILLEGAL_STATE:
        other = "SSL" if cluster.security_protocol.is_tls else "PLAINTEXT"
        raise _sasl(f"{_at(address)} does not use SASL", f"set security_protocol to {other}")
    if answer.error_code == _UNSUPPORTED_MECHANISM:
        offered = ", ".join(sorted(answer.mechanisms)) or "none"
        raise _sasl(f"{_at(address)} does not take sasl_mechanism {mechanism}", f"it takes: {offered}")
    if answer.error_code:
        raise _sasl(f"{_at(address)} refuses SASL (error {answer.error_code})", "look at the broker's log")
    options = {"host": address[0], "security_protocol": str(cluster.security_protocol)} | sasl_options(cluster)
    client = get_sasl_mechanism(mechanism)(**options)
    while not client.is_done():
        _step(connection, address, cluster, client, deadline)


def _step(connection: socket.socket, address: tuple[str, int], cluster: Cluster, client: Any, deadline: float) -> None:
    """One message of ours and the answer to it."""
    request = SaslAuthenticateRequest(auth_bytes=client.auth_bytes(), version=_SASL_VERSION)
    data = exchange(connection, frame(request, cluster.client_id), deadline)
    answer = _decoded(SaslAuthenticateResponse, data)
    if answer.error_code:
        raise _refused(address, cluster)
    try:
        client.receive(answer.auth_bytes)
    except (ValueError, KeyError, UnicodeDecodeError):
        # SCRAM is mutual: who does not know the password either cannot prove to be the broker.
        raise _sasl(f"{_at(address)} does not prove that it knows the password", "is it the right broker?") from None


def _decoded(kind: Any, data: bytes) -> Any:
    try:
        return kind.decode(data, version=_SASL_VERSION, header=True)
    except Exception as error:  # noqa: BLE001 (the decoder raises whatever the bytes lead it to)
        raise OtherProtocolError(f"its answer cannot be read ({type(error).__name__})") from None


def _refused(address: tuple[str, int], cluster: Cluster) -> BrokerError:
    if cluster.sasl_username is None:
        where = "sasl_token_file" if cluster.sasl_token_file else "sasl_token_command"
        return _sasl(f"{_at(address)} refuses the token", f"is it still valid? Look at {where}")
    return _sasl(
        f"{_at(address)} refuses the user {cluster.sasl_username} or the password",
        "look at sasl_username and sasl_password (or sasl_password_file)" + _LOOK,
    )


def _at(address: tuple[str, int]) -> str:
    host, port = address
    return f"the broker at [{host}]:{port}" if ":" in host else f"the broker at {host}:{port}"


def _tls(message: str, hint: str) -> BrokerError:
    return BrokerError("tls_failed", message, hint)


def _sasl(message: str, hint: str) -> BrokerError:
    return BrokerError("sasl_failed", message, hint)
