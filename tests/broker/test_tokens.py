"""Tokens for OAUTHBEARER: from a file or a command, kept while they hold, never quoted."""

import sys
from pathlib import Path

import pytest

from ledger.broker.cluster import Cluster
from ledger.broker.tokens import TokenSource
from ledger.errors import BrokerError
from tests.kafka.tokens import unsecured_token


def _counting(directory: Path, lifetime_s: float) -> TokenSource:
    """A command that notes each of its runs, and prints a token."""
    program = directory / "program"
    program.write_text(f"open({str(directory / 'runs')!r}, 'a').write('x'); print({unsecured_token(lifetime_s)!r})")
    return TokenSource(Cluster(bootstrap="a", sasl_token_command=f"{sys.executable} '{program}'"))


@pytest.mark.parametrize(("lifetime_s", "runs"), [(3600.0, 1), (-5.0, 2)])
def test_a_commands_token_is_kept_while_it_holds(lifetime_s: float, runs: int, tmp_path: Path) -> None:
    """Two connections run the command once; one that has ended is got anew."""
    source = _counting(tmp_path, lifetime_s)
    assert source.token() == source.token()
    assert len((tmp_path / "runs").read_text()) == runs


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    """Whoever writes it keeps it fresh; the end of the line is not part of the token."""
    file = tmp_path / "token"
    source = TokenSource(Cluster(bootstrap="a", sasl_token_file=str(file)))
    for token in ("first", "second"):
        file.write_text(token + "\n")
        assert source.token() == token


@pytest.mark.parametrize("token", ["", "two tokens", "a\x01b", "a\nb", "ümlaut"])
def test_what_is_no_token_is_refused_and_not_quoted(token: str, tmp_path: Path) -> None:
    """It would be another field of SASL's message."""
    file = tmp_path / "token"
    file.write_text(token)
    with pytest.raises(BrokerError) as caught:
        TokenSource(Cluster(bootstrap="a", sasl_token_file=str(file))).token()
    assert caught.value.code == "token_failed"
    assert not token or token not in caught.value.message


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/nowhere/program", "No such file"),
        ("'", "it is no command"),
        ("false", "ended with 1"),
        ("true", "holds no token"),
    ],
)
def test_a_command_that_fails_is_one_error(command: str, words: str) -> None:
    """With what became of it; what it said is its own business."""
    with pytest.raises(BrokerError, match=words) as caught:
        TokenSource(Cluster(bootstrap="a", sasl_token_command=command)).token()
    assert caught.value.code == "token_failed"


def test_a_token_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(BrokerError, match="cannot be read: No such file"):
        TokenSource(Cluster(bootstrap="a", sasl_token_file=str(tmp_path / "none"))).token()
