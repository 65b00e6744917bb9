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


def whole(path: str) -> str:
    """The path with as large a page as there is, where it does not say how large."""
    return path if "limit=" in path else f"{path}{'&' if '?' in path else '?'}limit=1000"


@pytest.mark.parametrize(
    ("path", "command"),
    [*((whole(path), command) for path, command in LISTS), *OBJECTS],
    ids=[path[:70] for path, _ in [*LISTS, *OBJECTS]],
)
def test_an_answer_is_what_the_command_line_prints(
    server: Server, ledger: Path, token: str, capsys: pytest.CaptureFixture[str], path: str, command: list[str]
) -> None:
    """Byte for byte, names of people included, for a token with the scope audit."""
    answer = server.ask(path, token=token)
    assert (answer.status, answer.body.decode()) == (200, printed(capsys, ledger, *command, "--json").decode())
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("number", [4, 6, 12, 22])
def test_a_stream_has_the_lines_that_the_command_line_prints(
    server: Server, ledger: Path, token: str, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """All of them, where no limit is given."""
    path, command = LISTS[number]
    answer = server.ask(path, token=token, headers={"accept": "application/x-ndjson"})
    assert answer.body == printed(capsys, ledger, *command, "--format", "jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"


def test_ids_lead_to_the_same(server: Server, ledger: Path, token: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment and a version, by the beginning of their ids."""
    (row,) = server.ask("/v1/scripts/a/deployments?account=acme&limit=1", token=token).json
    for start in (row["deployment"][:13], row["versions"][0]["version"]):
        for question in ("show", "explain"):
            answer = server.ask(f"/v1/{question}/{start}", token=token)
            assert answer.body == printed(capsys, ledger, question, start, "--json")
    entry = row["entry"]
    assert server.ask(f"/v1/explain/{entry}", token=token).body == printed(capsys, ledger, "explain", entry, "--json")
