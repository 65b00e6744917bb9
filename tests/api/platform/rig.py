"""A server in this process, and instead of broker and worker the writer itself: real folding, a real log, no waiting."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ledger.api.context import Context
from ledger.api.tokens import Scope
from ledger.broker.publish import Place
from ledger.errors import BrokerError
from ledger.log.records import Record
from ledger.log.writer import ShardWriter
from ledger.storage.local import LocalStore
from tests.api.rig import Answer, Server, answering, make_token
from tests.gateway.bodies import CONTENT_TYPE, Sent, upload_body
from tests.log.rig import Json, Log, append

__all__ = ["ACCOUNT", "AGENT", "CODE", "Asker", "DirectSender", "Scene", "scene_at"]

ACCOUNT: Final = "acme"
AGENT: Final = {"user-agent": "wrangler/4.86.0"}
CODE: Final[Sent] = ("index.js", "application/javascript+module", b"export default {}")


class DirectSender:
    """Writes what is sent into the log at once."""

    def __init__(self, writer: ShardWriter) -> None:
        self._writer = writer
        self.sent: list[bytes] = []
        self.before: list[Callable[[], None]] = []
        """Called once each before the next events: what others do meanwhile."""
        self.fails: list[str] = []
        """How the next sends fail: `lost` (no entry ever), `unclear` (the entry comes), `away` (nothing is sent)."""

    async def send(self, event: bytes, account: str) -> Place:
        """As `ledger.live.sending.Sender`."""
        if self.before:
            self.before.pop(0)()
        how = self.fails.pop(0) if self.fails else ""
        if how == "away":
            raise BrokerError("broker_unreachable", "no broker")
        self.sent.append(event)
        offset = self.append(event, account) if how != "lost" else -1
        if how == "unclear":
            raise BrokerError("publish_unclear", "no acknowledgement")
        return Place(0, offset)

    def append(self, event: bytes, account: str = ACCOUNT) -> int:
        """One event into the log."""
        offset = self._writer.next_offset
        append(self._writer, [Record(offset, time.time_ns() // 1_000_000, account.encode(), event, ())])
        return offset


class Asker:
    """Somebody who asks a server as the platform's tools do."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.token = token

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; `path` begins after the account's, unless it begins with a slash."""
        whole = path if path.startswith("/") else f"/accounts/{ACCOUNT}/workers/{path}"
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        shown = AGENT | dict(headers or {})
        return self.server.ask(whole, method=method, token=token or self.token, headers=shown, body=raw)

    def result(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What it gives; it must succeed."""
        answer = self.ask(method, path, body, **more)
        assert answer.status in (200, 201), answer
        assert answer.json["success"] is True
        return answer.json["result"]

    def refusal(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, int, str]:
        """Status, code and message of what must not succeed."""
        answer = self.ask(method, path, body, **more)
        assert answer.status >= 400, answer
        assert answer.json["success"] is False
        assert answer.json["result"] is None
        error = answer.json["errors"][0]
        return answer.status, error["code"], error["message"]

    def upload(
        self, script: str, metadata: Mapping[str, Any] | None = None, *modules: Sent, query: str = "", **more: Any
    ) -> Any:
        """`PUT S`."""
        body = upload_body(metadata or {"main_module": "index.js"}, *(modules or (CODE,)))
        return self.result("PUT", f"scripts/{script}{query}", body, headers={"content-type": CONTENT_TYPE}, **more)

    def upload_version(self, script: str, metadata: Mapping[str, Any], *modules: Sent) -> Any:
        """`POST S/versions`."""
        body = upload_body(metadata, *(modules or (CODE,)))
        return self.result("POST", f"scripts/{script}/versions", body, headers={"content-type": CONTENT_TYPE})


class Scene(Asker):
    """A server with a ledger, and somebody who asks."""

    def __init__(
        self, server: Server, context: Context, log: Log, sender: DirectSender, root: Path, tokens: Mapping[str, str]
    ) -> None:
        super().__init__(server, tokens["writer"])
        self.context = context
        self.log = log
        self.sender = sender
        self.root = root
        self.tokens = tokens
        """By name: `writer`, who asks where nothing is said, `reader`, `auditor`, and `stranger` of another account."""

    def entries(self) -> list[Json]:
        """The log."""
        return [json.loads(line) for line in self.log.lines()]


@contextmanager
def scene_at(root: Path, *, keys: Path | None = None, **settings: Any) -> Iterator[Scene]:
    """A server with an empty ledger in a directory; its keys may be where the server does not find them."""
    log = Log(LocalStore(root), LocalStore(keys or root / "keys", file_mode=0o600, dir_mode=0o700))
    sender = DirectSender(log.open())
    # Before the server is there: it looks for new ones only now and then.
    tokens = {
        "writer": make_token(root, "writer", Scope.read, Scope.write, account=ACCOUNT, email="dev@acme.example"),
        "reader": make_token(root, "reader", Scope.read, account=ACCOUNT),
        "auditor": make_token(root, "auditor", Scope.read, Scope.audit, account=ACCOUNT),
        "stranger": make_token(root, "stranger", Scope.admin, account="other"),
    }
    with answering(root, **settings) as (server, context):
        context.sender = sender  # type: ignore[assignment]  # it sends as the real one does
        yield Scene(server, context, log, sender, root, tokens)
