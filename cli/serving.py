"""serve: the ledger over HTTP."""

# ruff: noqa: ARG001, PLR0913, PLR0917 (the options of a command are its arguments; those of settings are read from its context)

from contextlib import suppress
from typing import Annotated

import typer

from cli.configuring import configuration
from cli.messages import say
from cli.options import Keys, Ledger, Set, examples
from cli.running import LogFormat, LogFormatOption, LogLevel, LogLevelOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger serve --ledger ./audit --bootstrap 127.0.0.1:9092", "ledger serve --port 0 --set max_body_bytes=1000000"
    )
    app.command(epilog=shown)(serve)


def serve(
    context: typer.Context,
    ledger: Ledger,
    bootstrap: Annotated[
        str | None,
        typer.Option(
            "--bootstrap",
            "-b",
            metavar="HOST:PORT",
            envvar="LEDGER_BOOTSTRAP",
            show_envvar=True,
            help="The Kafka broker that changes are sent to; without it none are taken.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", envvar="LEDGER_API_HOST", show_envvar=True, help="Address to listen at."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="P",
            envvar="LEDGER_API_PORT",
            show_envvar=True,
            help="Port; 0 takes a free one.",
        ),
    ] = 7480,
    audit_dir: Annotated[
        str | None,
        typer.Option("--audit-dir", metavar="DIR", help="Where the audit trail is written; default: DIR/audit."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let everybody on this machine do everything, without a token.")
    ] = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
    keys: Keys = None,
    pairs: Set = None,
) -> None:
    """Serve the ledger over HTTP until Ctrl-C or SIGTERM.

    Prints its URL when it answers. Whoever asks needs a token: `ledger tokens create`.
    """
    from cli.processes import Stopped, stopped_by_signals
    from ledger.api.server import serve as serve_api
    from ledger.api.settings import Settings
    from ledger.logs import Log

    configured = configuration(context, pairs)
    given = {name: configured[name] for name in Settings.__struct_fields__ if name in configured.values}
    settings = Settings(
        **given
        | {
            "ledger": ledger,
            "keys": keys,
            "cluster": configured.cluster() if configured["bootstrap"] is not None else None,
            "insecure": insecure,
        }
    )
    # While the ledger loads a signal ends the command as well; once it answers, the server has handlers of its own.
    with suppress(Stopped), stopped_by_signals():
        serve_api(settings, Log(settings.log_format, settings.log_level), lambda url: print(url, flush=True))
    say("stopped")
