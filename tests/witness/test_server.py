"""The witness's server over sockets: every refusal of the specification, limits, memory, and a clock that goes back."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, UsageError
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.cosignatures import WitnessPolicy, WitnessSigner, judge
from ledger.proof.merkle import Hash, Size, consistency_proof
from ledger.proof.notes import SignatureLine, Signer, Verifier, add_signatures, parse_signature_lines
from ledger.proof.witnessing import MAX_REQUEST_BYTES, AddCheckpoint
from ledger.witness import listening
from ledger.witness.exchange import Reply, exchange, parse_prefix
from ledger.witness.server import WitnessServer
from ledger.witness.service import WitnessService, read_logs
from ledger.witness.state import LogStates
from tests.proof.trees import subtree
from tests.witness.rig import SECOND, SIGNER, submit, witness

LEDGER = Signer("ledger.example", bytes([7]) * 32)
SHARD = Signer("ledger.example/0003", bytes([7]) * 32)
LOGS = {LEDGER.name: LEDGER.verifier}
KEY = sha256(SHARD.name.encode()).hexdigest()


def note(size: int, *, root: bytes | None = None, signer: Signer = SHARD) -> bytes:
    """A signed checkpoint of the vectors' tree of a size, or of another root."""
    checkpoint = Checkpoint(origin=signer.name, size=Size(size), root=Hash(root or subtree(0, size)))
    return sign(checkpoint, signer)


def request(old: int, size: int, *, root: bytes | None = None, signer: Signer = SHARD) -> AddCheckpoint:
    """A submission with an honest proof."""
    proof = tuple(consistency_proof(Size(old), Size(size), subtree)) if old <= size else ()
    return AddCheckpoint(old=Size(old), proof=proof, note=note(size, root=root, signer=signer))


def time_in(reply: Reply, size: int, signer: WitnessSigner = SIGNER) -> int:
    """The time of the cosignature in an answer, which must be a valid one of that size."""
    assert reply.status == 200, reply
    (line,) = parse_signature_lines(reply.body.decode())
    found = signer.verifier.time_of(note(size).decode().partition("\n\n")[0] + "\n", line)
    assert found is not None
    return found


def served(server: WitnessServer, key: str = KEY) -> Reply:
    """What is read back of a log."""
    return exchange(parse_prefix(server.url), f"{key}/checkpoint")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WitnessServer]:
    """A witness that knows the ledger."""
    with witness(tmp_path / "state", LOGS, seconds=2) as found:
        yield found


def test_first_contact_growth_and_repetition_are_cosigned(server: WitnessServer) -> None:
    """Each 200 is one valid line at the clock's time; what is read back has the log's line and ours."""
    for old, size in ((0, 3), (3, 7), (7, 7), (7, 12)):
        assert time_in(submit(server.url, request(old, size)), size) == 1_700_000_000
        verdict = judge(served(server).body, SHARD.verifier, WitnessPolicy(witnesses=(SIGNER.verifier,), quorum=1))
        assert verdict.witnessed
        assert verdict.checkpoint.size == size


def test_each_refusal_has_its_status(server: WitnessServer) -> None:
    """400, 403, 404, 409 with the size, 422; none of them changes what is remembered."""
    time_in(submit(server.url, request(0, 7)), 7)
    impostor, stranger = Signer(SHARD.name, bytes([1]) * 32), Signer("else.example/0003", bytes([7]) * 32)
    for body, status in (
        (b"", 400),
        (bytes(request(7, 9)).replace(b"old 7", b"old 07"), 400),
        (request(9, 7), 400),
        (request(7, 9, signer=impostor), 403),
        (request(7, 9, signer=stranger), 404),
        (request(0, 9), 409),
        (request(3, 9), 409),
        (request(7, 7, root=bytes(32)), 422),
        (request(7, 9, root=bytes(32)), 422),
    ):
        reply = submit(server.url, body)
        assert reply.status == status
        assert (reply.content_type, reply.body) == ("text/x.tlog.size", b"7\n") or status != 409
    assert b"\n7\n" in served(server).body
    assert submit(server.url, request(0, 7)).body == b"7\n"


def test_a_log_that_was_never_seen_has_size_0(server: WitnessServer) -> None:
    """A proof from a size that the witness never saw is answered with 0."""
    assert submit(server.url, request(3, 7)).body == b"0\n"


def test_logs_are_remembered_apart(server: WitnessServer) -> None:
    """Two shards of a ledger have two states."""
    other = Signer("ledger.example/0004", bytes([7]) * 32)
    time_in(submit(server.url, request(0, 7)), 7)
    assert submit(server.url, request(0, 3, signer=other)).status == 200
    assert b"\n7\n" in served(server).body
    assert b"\n3\n" in served(server, sha256(other.name.encode()).hexdigest()).body


@pytest.mark.parametrize("key", ["0" * 64, KEY.upper(), KEY[:-1], "..", "%2e%2e", KEY + "/..", ""])
def test_what_was_never_cosigned_is_not_found(server: WitnessServer, key: str) -> None:
    """Nothing but the hash of a known origin leads to a file."""
    submit(server.url, request(0, 7))
    assert served(server, key).status == 404


def test_lines_that_others_added_are_not_remembered(server: WitnessServer) -> None:
    """Nobody can fill the state with lines of their own."""
    line = SignatureLine(name="w", key_id=b"1234", signature=b"x" * 5000)
    submission = AddCheckpoint(old=Size(0), proof=(), note=add_signatures(note(7), [line]))
    time_in(submit(server.url, submission), 7)
    assert len(served(server).body) < 500


def test_the_time_never_goes_back(tmp_path: Path) -> None:
    """A clock that was put back, or a restart, does not make a cosignature older than the last one of the log."""
    now = [2_000.9]
    with witness(tmp_path, LOGS, clock=lambda: now[0]) as server:
        assert time_in(submit(server.url, request(0, 3)), 3) == 2_000
        now[0] = 1_000
        assert time_in(submit(server.url, request(3, 7)), 7) == 2_000
    with witness(tmp_path, LOGS, clock=lambda: now[0]) as server:
        assert time_in(submit(server.url, request(7, 7)), 7) == 2_000
        now[0] = 3_000
        assert time_in(submit(server.url, request(7, 7)), 7) == 3_000


def test_a_new_key_keeps_what_the_old_one_knew(tmp_path: Path) -> None:
    """A witness whose key was replaced cosigns no other history."""
    with witness(tmp_path, LOGS) as server:
        time_in(submit(server.url, request(0, 7)), 7)
    with witness(tmp_path, LOGS, signer=SECOND) as server:
        assert submit(server.url, request(0, 9, root=bytes(32))).status == 409
        time_in(submit(server.url, request(7, 9)), 9, SECOND)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"7\n"])
def test_a_damaged_memory_cosigns_nothing(tmp_path: Path, damage: bytes) -> None:
    """500 and a line for the operator; nothing is taken for a first contact."""
    told: list[str] = []
    with witness(tmp_path, LOGS, told=told) as server:
        time_in(submit(server.url, request(0, 7)), 7)
        (tmp_path / f"{KEY}.checkpoint").write_bytes(damage)
        assert submit(server.url, request(0, 9)).status == 500
        assert submit(server.url, request(7, 9)).status == 500
    assert any(line.startswith("500 ledger.example/0003: ") for line in told)


def test_a_memory_that_cannot_be_written_cosigns_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is answered with 500; afterwards it goes on where it was."""

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with witness(tmp_path, LOGS) as server:
        time_in(submit(server.url, request(0, 3)), 3)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            assert submit(server.url, request(3, 7)).status == 500
        time_in(submit(server.url, request(3, 7)), 7)


def test_of_many_submissions_at_once_no_two_disagree(server: WitnessServer) -> None:
    """Every size that was cosigned extends the one before; of one old size one submission wins."""
    time_in(submit(server.url, request(0, 3)), 3)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda size: (size, submit(server.url, request(3, size))), range(4, 24)))
    won = [size for size, reply in replies if reply.status == 200]
    assert len(won) == 1
    assert {reply.body for _, reply in replies if reply.status == 409} == {f"{won[0]}\n".encode()}
    assert {reply.status for _, reply in replies} == {200, 409}


def address(server: WitnessServer) -> tuple[str, int]:
    """Where it listens."""
    prefix = parse_prefix(server.url)
    return prefix.host, prefix.port


def raw(server: WitnessServer, data: bytes, *, then: bytes = b"") -> bytes:
    """What comes back for bytes that are sent as they stand, until the server closes."""
    with socket.create_connection(address(server), timeout=10) as connection:
        with suppress(OSError):
            connection.sendall(data)
            connection.sendall(then)
        received = b""
        with suppress(ConnectionResetError):
            while more := connection.recv(65536):
                received += more
        return received


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b" 411 "),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: -1\r\n\r\n", b" 411 "),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9x\r\n\r\n", b" 411 "),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 411 "),
        (b"POST /elsewhere HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n", b" 404 "),
        (b"GET / HTTP/1.1\r\nHost: w\r\n\r\n", b" 404 "),
        (b"PUT /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b" 501 "),
        (b"\x16\x03\x01garbage\r\n\r\n", b"bad"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b" 431 "),
    ],
    ids=["no length", "negative", "words", "chunked", "path", "root", "method", "no HTTP", "long line", "many headers"],
)
def test_what_is_no_submission_is_refused(server: WitnessServer, head: bytes, status: bytes) -> None:
    """A status each, and the next client is answered."""
    assert status in raw(server, head).lower().replace(b"request", b"bad")
    assert served(server).status == 404


def test_a_body_that_is_too_large_is_not_read(server: WitnessServer) -> None:
    """413 for what no request can be, also where the length alone says so."""
    reply = submit(server.url, b"x" * (MAX_REQUEST_BYTES + 1))
    assert reply.status == 413
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99999999999\r\n\r\n"
    started = time.monotonic()
    raw(server, head)
    assert time.monotonic() - started < 5


def test_a_slow_client_is_cut_off(server: WitnessServer) -> None:
    """A connection has two seconds here, however its bytes drip; others are answered meanwhile."""
    head = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    with socket.create_connection(address(server), timeout=10) as slow:
        slow.sendall(head)
        dripping = threading.Thread(target=_drip, args=(slow,))
        dripping.start()
        time_in(submit(server.url, request(0, 7)), 7)
        assert time.monotonic() - started < 2
        assert slow.recv(1) == b""
        assert time.monotonic() - started < 6
        dripping.join(10)


def _drip(connection: socket.socket) -> None:
    with suppress(OSError):
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.1)


def test_too_many_connections_are_closed_unheard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nobody waits for ever; when one has gone the next is answered."""
    monkeypatch.setattr(listening, "MAX_CONNECTIONS", 2)
    with witness(tmp_path, LOGS, seconds=5) as server:
        idle = [socket.create_connection(address(server), timeout=5) for _ in range(2)]
        time.sleep(0.3)
        with socket.create_connection(address(server), timeout=5) as third:
            assert third.recv(1) == b""
        for connection in idle:
            connection.close()
        time.sleep(0.3)
        time_in(submit(server.url, request(0, 7)), 7)


def test_one_state_has_one_witness(tmp_path: Path) -> None:
    """A second one at the same directory would not know what the first answers."""
    with LogStates(tmp_path), pytest.raises(UsageError) as caught:
        LogStates(tmp_path)
    assert caught.value.code == "state_in_use"
    with LogStates(tmp_path):
        pass


def test_a_logs_key_cannot_be_the_witnesss(tmp_path: Path) -> None:
    """Not even as a key of type 4."""
    with LogStates(tmp_path) as states, pytest.raises(UsageError) as caught:
        WitnessService(WitnessSigner("w", bytes([7]) * 32), LOGS, states)
    assert caught.value.code == "log_is_witness"


def test_logs_have_names_of_their_own() -> None:
    """Two keys under one name are refused; the same key twice is one log; a witness's key is none."""
    other = Verifier(LEDGER.name, SIGNER.verifier.public_key)
    assert read_logs([LEDGER.vkey, LEDGER.vkey]).keys() == {LEDGER.name}
    with pytest.raises(UsageError) as caught:
        read_logs([LEDGER.vkey, other.vkey])
    assert caught.value.code == "log_named_twice"
    with pytest.raises(IntegrityError) as refused:
        read_logs([SIGNER.vkey])
    assert refused.value.code == "unsupported_key"
