"""Our client and a witness that others wrote: torchwood's litewitness, where Go and ssh-agent are present."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ledger.proof.cosignatures import WitnessPolicy, judge
from ledger.proof.merkle import EMPTY_ROOT
from ledger.storage import layout
from ledger.witness.stored import cosigned_checkpoint, cosigned_sizes
from tests.kafka.rig import require
from tests.log.rig import SHARD
from tests.processes import TIMEOUT_S, started
from tests.witness.rig import SIGNER, grow, new_log, pushed, same_name_and_key

LITEWITNESS: Final = "filippo.io/torchwood/cmd/litewitness@v0.9.0"
SCHEMA: Final = """
CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL);
CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin));
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The witness, built once; the first time its modules are fetched."""
    for needed in ("go", "ssh-agent", "ssh-add"):
        if shutil.which(needed) is None:
            require("go" if needed == "go" else needed)
    place = tmp_path_factory.mktemp("go")
    done = subprocess.run(
        ["go", "install", LITEWITNESS],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | {"GOBIN": str(place), "GOFLAGS": "-p=1"},
    )
    if done.returncode != 0:
        print(done.stderr[-2000:])
        require("go")
    return place / "litewitness"


@contextmanager
def agent(place: Path) -> Iterator[Path]:
    """An ssh-agent with the witness's key: litewitness takes it from nowhere else."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    file = place / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    file.chmod(0o600)
    address = place / "agent"
    with started(["ssh-agent", "-D", "-a", str(address)], dict(os.environ)):
        _wait_until(address.exists)
        environment = os.environ | {"SSH_AUTH_SOCK": str(address)}
        subprocess.run(["ssh-add", "-q", str(file)], check=True, timeout=TIMEOUT_S, env=environment)
        yield address


@contextmanager
def litewitness(program: Path, place: Path, origin: str, vkey: str) -> Iterator[str]:
    """A litewitness that knows one log; its URL."""
    with sqlite3.connect(place / "db") as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, b64encode(EMPTY_ROOT).decode()))
        database.execute("INSERT INTO key VALUES (?, ?)", (origin, vkey))
    database.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key()
    blob = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    fingerprint = "SHA256:" + b64encode(sha256(b64decode(blob)).digest()).decode().rstrip("=")
    with agent(place) as address:
        command = [str(program), "-db", str(place / "db"), "-ssh-agent", str(address), "-name", SIGNER.name]
        command += ["-key", fingerprint, "-listen", f"127.0.0.1:{port}"]
        with started(command, dict(os.environ)) as running:
            _wait_until(lambda: running.poll() is not None or _answers(port))
            yield f"http://127.0.0.1:{port}"
            running.send_signal(signal.SIGINT)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


@pytest.mark.slow
def test_a_witness_that_others_wrote_cosigns_our_log(program: Path) -> None:
    """First contact, growth, repetition, lost memory of ours, rollback and fork: its answers mean the same as our own's."""
    log = new_log(7)
    # Short: the path of a socket has room for about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="lw-") as place:
        verifier = log.file.verifier(SHARD)
        with litewitness(program, Path(place), verifier.name, verifier.vkey) as url:
            assert pushed(log, url).state == "cosigned"
            for size in (14, 100):
                grow(log, size)
                assert pushed(log).state == "cosigned"
            assert pushed(log).state == "cosigned"
            for name in list(log.store.list(layout.WITNESSED)):
                log.store.delete(name)
            assert pushed(log).state == "cosigned"
            assert pushed(same_name_and_key(log, 50)).state == "rollback"
            assert pushed(same_name_and_key(log, 100, flavour="x")).state == "fork"
            assert pushed(same_name_and_key(log, 107, flavour="x")).state == "fork"
    note = cosigned_checkpoint(log.store, SHARD)
    assert note is not None
    assert judge(note, verifier, WitnessPolicy(witnesses=(SIGNER.verifier,), quorum=1)).witnessed
    assert cosigned_sizes(log.store, SHARD) == [100]
