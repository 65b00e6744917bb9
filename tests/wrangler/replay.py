"""Sends what was recorded to a real API, with the ids that this API gave in place of the recorded ones.

`python -m tests.wrangler.replay URL --token T FILE...` replays fixtures, or folders of `*.http.jsonl` in the form of other
recorders, and prints what each request came to; with `--ledger DIR` also the entries that it made.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ledger.log.segments import parse_segment
from tests.wrangler.recording import Exchange, Step, body_of, read

__all__ = ["Following", "Json", "Played", "Replayer", "Reply", "replay", "uploads"]

Json = dict[str, Any]

_TIMEOUT_S: Final = 60
_HEX_ID: Final = re.compile(r"\b[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}\b")
_PLAIN_ID: Final = re.compile("[0-9a-f]{32}")
_ACCOUNT: Final = re.compile(r"(^/accounts/|\baccount\.id=)[^/&]+")
_ASSETS: Final = "/workers/assets/upload"
_SESSION: Final = "/assets-upload-session"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; text where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self.body.decode(errors="replace")


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded request that was sent again."""

    step: str
    sent: Exchange
    reply: Reply
    entries: list[Json]
    """That appeared until it was answered; none where nobody follows the log."""

    @property
    def agrees(self) -> bool:
        """Whether it succeeded or failed as it did when it was recorded, and with the same code."""
        return bool(_verdict(self.reply.json) == _verdict(self.sent.answer))


class Following:
    """The entries of a ledger as they appear, all shards together."""

    def __init__(self, root: Path) -> None:
        self._log = root / "log"
        self._seen: set[Path] = set()
        self.new()

    def new(self) -> list[Json]:
        """Those since the last call."""
        found = []
        for path in sorted(set(self._log.glob("*/*.zst")) - self._seen):
            self._seen.add(path)
            found += [msgspec.json.decode(line) for line in parse_segment(path.read_bytes(), path.name).lines]
        return found


class Replayer:
    """A client of one API that remembers which id stands for which."""

    def __init__(self, url: str, token: str, account: str | None = None) -> None:
        """Nothing is connected yet.

        Args:
            url: of the API.
            token: sent as bearer.
            account: in place of the recorded one.
        """
        at = urlsplit(url)
        self._account = account
        self._token = token
        self._connection = HTTPConnection(at.hostname or "", at.port, timeout=_TIMEOUT_S)
        self._ids: dict[str, str] = {}
        self._jwts = ("", "")
        self._nothing_missing = False

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def send(self, kept: Exchange) -> Reply | None:
        """Send a recorded request; None where this API did not ask for what it uploads."""
        if kept.path.endswith(_ASSETS) and self._nothing_missing:
            return None
        # the session's own token goes with what it asked for, not the caller's
        token = self._jwts[1] if kept.path.endswith(_ASSETS) else self._token
        headers = {name: value for name, value in kept.headers.items() if name != "transfer-encoding"}
        headers["authorization"] = f"Bearer {token}"
        body = self._body(kept)
        target = self._ours(kept.path) + ("?" + self._ours(kept.query) if kept.query else "")
        if self._account is not None:
            target = _ACCOUNT.sub(rf"\g<1>{self._account}", target)
        chunked = "transfer-encoding" in kept.headers
        pieces = iter(_pieces(body)) if chunked else body
        try:
            self._connection.request(kept.method, target, pieces, headers, encode_chunked=chunked)
            said = self._connection.getresponse()
        except RemoteDisconnected:
            if kept.method != "GET":
                raise
            # it was kept open, and closed since; what only asks may be sent again
            self._connection.close()
            self._connection.request(kept.method, target, body, headers)
            said = self._connection.getresponse()
        named = {name.lower(): value for name, value in said.getheaders()}
        reply = Reply(status=said.status, headers=named, body=said.read())
        self._learn(kept, reply.json)
        return reply

    def _body(self, kept: Exchange) -> bytes:
        body = body_of(kept)
        if "multipart" in kept.headers.get("content-type", ""):
            theirs, ours = self._jwts
            return body.replace(theirs.encode(), ours.encode()) if theirs else body
        return self._ours(body.decode()).encode()

    def _ours(self, text: str) -> str:
        return _HEX_ID.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        plain = found[0].replace("-", "")
        ours = self._ids.get(plain, plain)
        return _hyphenated(ours) if found[1] and _PLAIN_ID.fullmatch(ours) else ours

    def _learn(self, kept: Exchange, answer: Any) -> None:
        theirs = kept.answer["result"] if isinstance(kept.answer, dict) and kept.answer.get("result") else None
        ours = answer.get("result") if isinstance(answer, dict) else None
        if isinstance(theirs, dict) and isinstance(ours, dict) and "jwt" in theirs and "jwt" in ours:
            self._jwts = (theirs["jwt"], ours["jwt"])
            if kept.path.endswith(_SESSION):
                self._nothing_missing = not ours["buckets"]
                return  # what is asked for are digests, not ids
        for old, new in _beside(theirs, ours, newest_last="order=asc" in kept.query):
            if _HEX_ID.fullmatch(old):
                self._ids.setdefault(old.replace("-", ""), new.replace("-", "") if _HEX_ID.fullmatch(new) else new)


def replay(steps: Iterable[Step], replayer: Replayer, log: Following | None = None) -> Iterator[Played]:
    """Send the requests of these steps in their order."""
    for step in steps:
        for kept in step.exchanges:
            reply = replayer.send(kept)
            if reply is not None:
                yield Played(step=step.name, sent=kept, reply=reply, entries=log.new() if log else [])


def uploads(played: Iterable[Played]) -> dict[str, list[str]]:
    """The outcomes of the uploads of each step."""
    found: dict[str, list[str]] = {}
    for item in played:
        if "multipart" in item.sent.headers.get("content-type", "") and re.search(
            r"/scripts/[^/]+(/versions)?$", item.sent.path
        ):
            found.setdefault(item.step, []).extend(entry["outcome"] for entry in item.entries)
    return found


def foreign(folder: Path) -> Iterator[Step]:
    """The steps of a folder of `NN-step.http.jsonl`: `body` as text or base64, the answer as `stub_response`."""
    for path in sorted(folder.glob("*.http.jsonl")):
        exchanges = []
        for line in path.read_bytes().splitlines():
            kept = msgspec.json.decode(line)
            body, answer = kept.get("body", {}), kept["stub_response"]
            headers = {name: value for name, value in kept["headers"].items() if name != "authorization"}
            exchanges.append(
                Exchange(
                    method=kept["method"],
                    path=kept["path"],
                    query=kept["query"],
                    headers=headers,
                    text=body.get("text"),
                    base64=body.get("base64"),
                    status=answer["status"],
                    answer=answer.get("json", answer.get("text")),
                )
            )
        yield Step(name=path.name.removesuffix(".http.jsonl"), arguments=[], exchanges=exchanges)


def _beside(theirs: Any, ours: Any, *, newest_last: bool) -> Iterator[tuple[str, str]]:
    """The texts at the same places of two answers; lists are laid together at the end that has the newest."""
    match theirs, ours:
        case dict(), dict():
            for name in theirs.keys() & ours.keys():
                yield from _beside(theirs[name], ours[name], newest_last=newest_last)
        case list(), list():
            pairs = zip(theirs[::-1], ours[::-1], strict=False) if newest_last else zip(theirs, ours, strict=False)
            for one, other in pairs:
                yield from _beside(one, other, newest_last=newest_last)
        case str(), str():
            yield theirs, ours
        case _:
            pass


def _verdict(answer: Any) -> Any:
    if not isinstance(answer, dict):
        return "no envelope"
    return answer.get("success") or [error["code"] for error in answer.get("errors", [{"code": None}])]


def _hyphenated(plain: str) -> str:
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _pieces(body: bytes) -> list[bytes]:
    return [body[start : start + 1000] for start in range(0, len(body), 1000)]


def main() -> int:
    """Replay what is asked for; the exit code is 1 where an answer differs from the recorded one."""
    parser = argparse.ArgumentParser(prog="python -m tests.wrangler.replay", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--token", required=True)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--without", action="append", default=[], help="steps to leave out; may be given again")
    asked = parser.parse_args()
    differing = 0
    for path in asked.recordings:
        steps = (step for step in (foreign(path) if path.is_dir() else read(path)) if step.name not in asked.without)
        log = Following(asked.ledger) if asked.ledger else None
        replayer = Replayer(asked.url, asked.token)
        for item in replay(steps, replayer, log):
            differing += not item.agrees
            made = [f"{entry['outcome']} {entry.get('reason', {}).get('code', '')}".strip() for entry in item.entries]
            if item.sent.method != "GET" or not item.agrees:
                said = "" if item.agrees else f"  DIFFERS: {item.sent.status} {_verdict(item.sent.answer)}"
                target = item.sent.path.partition("/workers/")[2] or item.sent.path
                print(f"{item.step:32} {item.sent.method:6} {target} {item.reply.status} {made}{said}")
                if said:
                    print(f"    {item.reply.body[:300]!r}")
        replayer.close()
    print(f"{differing} answers differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
