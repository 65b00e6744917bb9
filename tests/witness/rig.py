"""What the tests of witnesses share: ledgers that grow and fork, witnesses in this process and as processes, fake ones."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.log.ledgerfile import LedgerFile
from ledger.proof.cosignatures import WitnessSigner
from ledger.proof.notes import Verifier
from ledger.proof.witnessing import AddCheckpoint
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store
from ledger.witness.exchange import Reply, exchange, parse_prefix
from ledger.witness.pushing import Pushed, push
from ledger.witness.registry import add_witness
from ledger.witness.server import WitnessServer, serving
from ledger.witness.service import WitnessService
from ledger.witness.state import LogStates
from ledger.witness.tree import SignedTree, read_tree
from tests.log.rig import SHARD, Log, append, code, event, record
from tests.processes import TIMEOUT_S, environment, started

SIGNER: Final = WitnessSigner("witness.example/w1", bytes([9]) * 32)
SECOND: Final = WitnessSigner("witness.example/w2", bytes([10]) * 32)

Respond = Callable[[bytes], bytes]


def grow(log: Log, size: int, *, flavour: str = "e", batch: int = 7) -> None:
    """Append until the log's first shard has this many entries; another flavour makes other entries."""
    records = [record(offset, event(f"{flavour}{offset}", code=code(offset))) for offset in range(size)]
    append(log.open(), records, batch)


def new_log(size: int = 0, *, flavour: str = "e", shards: int = 1, keys: Store | None = None) -> Log:
    """A ledger in memory with so many entries."""
    log = Log(MemoryStore(), keys or MemoryStore(), shards=shards)
    grow(log, size, flavour=flavour)
    return log


def same_name_and_key(log: Log, size: int, *, flavour: str = "e") -> Log:
    """Another history of a ledger: its name and its keys, so many entries of a flavour."""
    other = object.__new__(Log)
    other.store, other.keys, other.file = MemoryStore(), log.keys, log.file
    for name in log.store.list(""):
        if name.startswith(("ledger.json", "topics/", "witnesses/")):
            other.store.put(name, log.store.get(name))
    grow(other, size, flavour=flavour)
    return other


def forget_witnesses(log: Log) -> None:
    """Let the next witness be the only one."""
    for name in list(log.store.list("witnesses/")):
        log.store.delete(name)


def tree_of(log: Log) -> SignedTree:
    """The first shard's tree, which must not be empty."""
    tree = read_tree(log.store, log.file, SHARD)
    assert tree is not None
    return tree


def logs_of(*files: LedgerFile) -> dict[str, Verifier]:
    """The ledgers' keys as a witness has them."""
    return {file.name: Verifier.from_vkey(file.vkey) for file in files}


@contextmanager
def witness(
    directory: Path,
    logs: Mapping[str, Verifier],
    *,
    signer: WitnessSigner = SIGNER,
    clock: Callable[[], float] = lambda: 1_700_000_000.0,
    seconds: float = 10,
    told: list[str] | None = None,
) -> Iterator[WitnessServer]:
    """A witness in this process, at a free port of 127.0.0.1."""
    lines: list[str] = [] if told is None else told
    with LogStates(directory) as states:
        service = WitnessService(signer, logs, states, clock)
        with serving(WitnessServer(service, "127.0.0.1", 0, lines.append, seconds)) as server:
            yield server


@contextmanager
def fake(respond: Respond) -> Iterator[str]:
    """Something that listens and answers each connection with bytes of its choosing, given what came; its URL.

    No bytes: it never answers.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()
        thread = threading.Thread(target=_answer_all, args=(listener, respond, done), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            with socket.create_connection(listener.getsockname(), timeout=5):
                pass
            thread.join(TIMEOUT_S)


def _answer_all(listener: socket.socket, respond: Respond, done: threading.Event) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            if done.is_set():
                return
            connection.settimeout(5)
            with suppress(OSError):  # a client that has seen enough
                answer = respond(_whole_request(connection))
                if answer:
                    connection.sendall(answer)
                else:
                    done.wait(TIMEOUT_S)


def _whole_request(connection: socket.socket) -> bytes:
    """The body of a request; less where the client has gone or speaks something else."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].partition(b":")[2]) and (more := connection.recv(65536)):
        body += more
    return body


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status} said", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def pushed(log: Log, url: str | None = None, signer: WitnessSigner = SIGNER, *, seconds: float = 10) -> Pushed:
    """What comes of pushing a ledger of one shard to one witness."""
    if url is not None:
        add_witness(log.store, log.file, url, signer.vkey)
    (row,) = push(log.store, log.file, seconds=seconds)
    return row


def submit(url: str, request: AddCheckpoint | bytes) -> Reply:
    """POST a request as it stands."""
    return exchange(parse_prefix(url), "add-checkpoint", bytes(request))


@contextmanager
def process(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str, str]]:
    """`ledger witness serve` as a process at a free port: the process, its URL and its vkey."""
    command = [sys.executable, "-m", "cli", "witness", "serve", "--port", "0", *arguments]
    with started(command, environment()) as running:
        assert running.stdout is not None
        yield running, running.stdout.readline().strip(), running.stdout.readline().strip()
