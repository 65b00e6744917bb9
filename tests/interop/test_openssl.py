"""OpenSSL verifies the raw Ed25519 signature of a checkpoint with the key that `ledger key` prints."""

import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

from tests.interop.logs import show
from tests.kafka.rig import require

SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410)."""


def verifies(directory: Path, public_key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether `openssl pkeyutl` says so."""
    pem = (
        b"-----BEGIN PUBLIC KEY-----\n"
        + b64encode(SUBJECT_PUBLIC_KEY_INFO + public_key)
        + b"\n-----END PUBLIC KEY-----\n"
    )
    for name, data in (("key.pem", pem), ("text", text), ("signature", signature)):
        (directory / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=directory, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode == 0 and "Successfully" in done.stdout


def test_the_signature_of_a_checkpoint_is_plain_ed25519(tmp_path: Path) -> None:
    """Over the text before the empty line; with a changed text, signature or key it is none."""
    if shutil.which("openssl") is None:
        require("openssl")
    shown = show(tmp_path, 1000)
    text, _, line = shown.tree.note.partition(b"\n\n")
    text += b"\n"
    signature = b64decode(line.split(b" ")[2])[4:]
    key = b64decode(shown.vkey.split("+", 2)[2])[1:]
    assert verifies(tmp_path, key, text, signature)
    assert not verifies(tmp_path, key, text.replace(b"1000", b"1001"), signature)
    assert not verifies(tmp_path, key, text, signature[:-1] + bytes([signature[-1] ^ 1]))
    assert not verifies(tmp_path, bytes([key[0] ^ 1]) + key[1:], text, signature)
