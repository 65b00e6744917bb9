"""The questions of the command line over HTTP: the same bytes where the same is asked, and no more than the caller may see."""

from pathlib import Path

import pytest

from cli.main import main
from tests.api.rig import Server

BEGIN = "2022-11-28T09:00:00Z"
LATER = "2022-11-28T09:01:00Z"

LISTS: list[tuple[str, list[str]]] = [
    ("/v1/scripts", ["scripts"]),
    ("/v1/scripts?account=acme&deleted=true", ["scripts", "--account", "acme", "--deleted"]),
    (f"/v1/scripts?account=*a&at={LATER}", ["scripts", "--account", "*a", "--at", LATER]),
    (f"/v1/scripts?as_known_at={LATER}", ["scripts", "--as-known-at", LATER]),
    ("/v1/scripts/a/deployments?account=acme&limit=10", ["deployments", "a", "--account", "acme"]),
    ("/v1/scripts/b/versions?account=beta&limit=1000", ["versions", "b", "--account", "beta", "--all"]),
    ("/v1/scripts/c/history?account=acme", ["history", "c", "--account", "acme"]),
    ("/v1/scripts/a/blame?account=acme", ["blame", "a", "--account", "acme"]),
    (
        "/v1/scripts/a/blame?account=acme&name=modules/*&question=origin",
        ["blame", "a", "modules/*", "--account", "acme", "--origin"],
    ),
    ("/v1/scripts/a/entrances?account=acme", ["reach", "--script", "a", "--account", "acme"]),
    (f"/v1/at?time={LATER}", ["at", LATER]),
    (f"/v1/diff?a={BEGIN}&b={LATER}", ["diff", BEGIN, LATER]),
    (f"/v1/diff/stat?a={BEGIN}&b={LATER}&code=false", ["diff", BEGIN, LATER, "--stat", "--no-code"]),
    ("/v1/diff?a=acme&b=beta&script=a", ["diff", "acme", "beta", "a"]),
    ("/v1/who?person=ana@acme.example&account=acme", ["who", "ana@acme.example", "--account", "acme"]),
    ("/v1/who/summary?person=u_1", ["who", "u_1", "--summary"]),
    ("/v1/skew?delay=1s&examples=1", ["skew", "--delay", "1s", "--examples", "1"]),
    ("/v1/exposure?binding=kv", ["exposure", "--binding", "kv"]),
    ("/v1/exposure?var=V1", ["exposure", "--var", "V1"]),
    (
        "/v1/during?from=2022-11-28&to=2022-11-29&no_rule=newcomer",
        ["during", "2022-11-28", "2022-11-29", "--no-rule", "newcomer"],
    ),
    (f"/v1/schedule?at={LATER}&account=acme", ["schedule", "--at", LATER, "--account", "acme"]),
    ("/v1/stats?since=2022-01-01", ["stats", "--since", "2022-01-01"]),
    ("/v1/rejected", ["rejected"]),
    ("/v1/notes", ["note", "list"]),
]
OBJECTS: list[tuple[str, list[str]]] = [
    ("/v1/status", ["status"]),
    ("/v1/show/0/3", ["show", "0/3"]),
    ("/v1/reach?url=a.example/x", ["reach", "a.example/x"]),
]


def printed(capsys: pytest.CaptureFixture[str], ledger: Path, *arguments: str) -> bytes:
    """What the command line prints as JSON."""
    capsys.readouterr()
    assert main([*arguments, "--ledger", str(ledger)]) == 0
    return capsys.readouterr().out.encode()


def a_deployment(server: Server, token: str) -> str:
    """The id of one."""
    return str(server.ask("/v1/scripts/a/deployments?account=acme&limit=1", token=token).json[0]["deployment"])


@pytest.mark.parametrize(("path", "command"), [*LISTS, *OBJECTS])
def test_an_answer_is_what_the_command_line_prints(
    server: Server, ledger: Path, token: str, capsys: pytest.CaptureFixture[str], path: str, command: list[str]
) -> None:
    """Byte for byte, names of people included, for a token with the scope audit."""
    answer = server.ask(
        path if "limit" in path or "?" not in path else f"{path}&limit=1000" if (path, command) in LISTS else path,
        token=token,
    )
    expected = printed(capsys, ledger, *command, "--json")
    assert (answer.status, answer.body.decode()) == (200, expected.decode())
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "command"), LISTS)
def test_a_stream_has_the_lines_that_the_command_line_prints(
    server: Server, ledger: Path, token: str, capsys: pytest.CaptureFixture[str], path: str, command: list[str]
) -> None:
    """All of them, where no limit is given."""
    answer = server.ask(path, token=token, headers={"accept": "application/x-ndjson"})
    assert answer.body == printed(capsys, ledger, *command, "--format", "jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
