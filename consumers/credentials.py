"""A cluster's settings as Faust hands them to aiokafka."""

import asyncio
import ssl

from aiokafka.abc import AbstractTokenProvider
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials

from ledger.broker.clients import tls_context
from ledger.broker.cluster import Cluster, Mechanism
from ledger.broker.tokens import TokenSource, token_source

__all__ = ["faust_credentials"]


class _Tokens(AbstractTokenProvider):
    """A token source as aiokafka wants it: one that does not hold up the event loop."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    async def token(self) -> str:
        """A token that holds at this moment."""
        return await asyncio.get_running_loop().run_in_executor(None, self._source.token)


def faust_credentials(cluster: Cluster) -> Credentials | None:
    """What `broker_credentials` of the app is; None without TLS and SASL.

    Raises:
        UsageError: `bad_setting`.
    """
    context: ssl.SSLContext | None = tls_context(cluster)
    if not cluster.security_protocol.is_sasl:
        return None if context is None else SSLCredentials(context)
    if cluster.sasl_mechanism is Mechanism.OAUTHBEARER:
        return OAuthCredentials(oauth_cb=_Tokens(token_source(cluster)), ssl_context=context)
    return SASLCredentials(
        username=cluster.sasl_username,
        password=cluster.sasl_password.reveal() if cluster.sasl_password else None,
        ssl_context=context,
        mechanism=str(cluster.sasl_mechanism),
    )
