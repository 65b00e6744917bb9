"""What a witness is asked and how it decides: the published request, one refusal a rule, and a naive witness beside it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.proof.checkpoints import Checkpoint, format_hash, sign
from ledger.proof.merkle import EMPTY_ROOT, Hash, Size, consistency_proof
from ledger.proof.notes import SignatureLine, Signer, Verifier, add_signatures
from ledger.proof.witnessing import (
    MAX_PROOF_HASHES,
    MAX_REQUEST_BYTES,
    AddCheckpoint,
    Answer,
    Known,
    Submission,
    admit,
    decide,
    known_log,
    parse_request,
)
from tests.proof.trees import VECTORS, subproof, subtree

BODY: bytes = VECTORS["add_checkpoint_body"].encode()
LOG = Verifier.from_vkey(VECTORS["checkpoint"]["vkey"])
LOGS = {LOG.name: LOG}
LEDGER = Signer("ledger.example", bytes([7]) * 32)
HASH = format_hash(bytes(32)).encode()
HEAD, _, NOTE = BODY.partition(b"\n\n")


def answered(logs: dict[str, Verifier], known: Known | None, body: bytes) -> Answer:
    """What a witness answers in the end."""
    submission = admit(logs, body)
    return submission if isinstance(submission, Answer) else decide(submission, known)


def known(size: int, root: bytes | None = None) -> Known:
    """That a witness knows the vectors' tree of a size, or another of that size."""
    return Known(size=Size(size), root=Hash(subtree(0, size) if root is None else root))


def test_the_published_request_reads_back() -> None:
    """The vectors' body is what our parts make: old size, proof, checkpoint."""
    request = parse_request(BODY)
    assert bytes(request) == BODY
    assert request.old == 257
    assert list(request.proof) == subproof(257, 0, 1000, known=True)
    assert request.note == VECTORS["checkpoint"]["signed"].encode()


def test_the_published_request_is_made_from_its_parts() -> None:
    """Our proof and the vectors' checkpoint make the vectors' body."""
    proof = consistency_proof(Size(257), Size(1000), subtree)
    assert bytes(AddCheckpoint(old=Size(257), proof=tuple(proof), note=NOTE)) == BODY


def test_the_published_request_is_accepted() -> None:
    """A witness that knows size 257 cosigns size 1000."""
    submission = admit(LOGS, BODY)
    assert isinstance(submission, Submission)
    assert submission.checkpoint.size == 1000
    assert decide(submission, known(257)) == Answer(status=200)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        HEAD,
        HEAD + b"\n" + NOTE,
        BODY.replace(b"old 257", b"old 0257"),
        BODY.replace(b"old 257", b"old +257"),
        BODY.replace(b"old 257", b"old  257"),
        BODY.replace(b"old 257", b"old 257 "),
        BODY.replace(b"old 257", b"old -1"),
        BODY.replace(b"old 257", b"old"),
        BODY.replace(b"old 257", b"old "),
        BODY.replace(b"old 257", b"Old 257"),
        BODY.replace(b"old 257", "old ٢٥٧".encode()),
        BODY.replace(b"old 257", b"old 9223372036854775808"),
        BODY.replace(b"old 257\n", b"old 257\r\n"),
        BODY.replace(b"old 257\n", b"old 257\n" + HASH[:-1] + b"\n"),
        BODY.replace(b"old 257\n", b"old 257\n" + HASH[:-2] + b"B=\n"),
        BODY.replace(b"old 257\n", b"old 257\n" + HASH + b" \n"),
        BODY.replace(b"old 257\n", b"old 257\nAAAA\n"),
        BODY.replace(b"old 257\n", b"old 257\n" + (HASH + b"\n") * MAX_PROOF_HASHES),
        b"\xef\xbb\xbf" + BODY,
        b"old 0\n\n" + b"x" * MAX_REQUEST_BYTES,
    ],
    ids=[
        "nothing",
        "an empty line alone",
        "no checkpoint",
        "no empty line",
        "leading zero",
        "plus sign",
        "two spaces",
        "space at the end",
        "negative",
        "no size",
        "empty size",
        "upper case",
        "other digits",
        "size above 2^63 - 1",
        "carriage return",
        "hash without padding",
        "spare bits",
        "space after a hash",
        "short hash",
        "too many hashes",
        "byte order mark",
        "too long",
    ],
)
def test_other_requests_are_malformed(body: bytes) -> None:
    """A request has one form; the answer is 400."""
    with pytest.raises(InputError) as caught:
        parse_request(body)
    assert caught.value.code == "malformed_request"
    assert answered(LOGS, None, body).status == 400


@pytest.mark.parametrize(
    "note",
    [b"", b"\n", NOTE[:-1], NOTE.replace(b"\n1000\n", b"\n01000\n"), NOTE.replace(b"\n1000\n", b"\n"), NOTE + b"\n"],
    ids=["nothing", "newline", "no last newline", "size", "no size", "one more line"],
)
def test_a_request_without_a_checkpoint_is_malformed(note: bytes) -> None:
    """The note is looked at before anything is looked up."""
    assert answered(LOGS, None, b"old 0\n\n" + note).status == 400


@pytest.mark.parametrize("count", [0, 1, MAX_PROOF_HASHES])
def test_up_to_63_hashes_are_read(count: int) -> None:
    """The proof of the largest trees fits."""
    assert len(parse_request(b"old 1\n" + (HASH + b"\n") * count + b"\n" + NOTE).proof) == count


def test_an_unknown_log_is_not_found() -> None:
    """404, whoever signed it."""
    assert answered({}, None, BODY).status == 404


def test_a_bad_signature_is_forbidden() -> None:
    """403 where the text was changed, where the key is another, and where one of two lines of the key is bad."""
    impostor = Signer(LOG.name, bytes([1]) * 32)
    bad = SignatureLine(name=LOG.name, key_id=LOG.key_id, signature=bytes(64))
    for logs, body in (
        (LOGS, BODY.replace(b"\n1000\n", b"\n1001\n")),
        ({LOG.name: impostor.verifier}, BODY),
        (LOGS, HEAD + b"\n\n" + add_signatures(NOTE, [bad])),
    ):
        assert answered(logs, known(257), body).status == 403


def test_what_others_added_to_the_checkpoint_is_not_kept() -> None:
    """Only the log's own line is remembered."""
    line = SignatureLine(name="w", key_id=b"1234", signature=b"anything")
    submission = admit(LOGS, HEAD + b"\n\n" + add_signatures(NOTE, [line]))
    assert isinstance(submission, Submission)
    assert submission.signed == NOTE


@pytest.mark.parametrize(
    ("state", "old", "size", "status", "told"),
    [
        (None, 0, 7, 200, None),
        (None, 0, 0, 200, None),
        (known(0, EMPTY_ROOT), 0, 0, 200, None),
        (known(0, EMPTY_ROOT), 0, 7, 200, None),
        (known(7), 7, 7, 200, None),
        (known(4), 4, 7, 200, None),
        (None, 4, 7, 409, 0),
        (known(4), 0, 7, 409, 4),
        (known(9), 4, 7, 409, 9),
        (known(4), 7, 7, 409, 4),
        (known(4), 8, 7, 400, None),
        (known(8), 8, 7, 400, None),
        (known(7, bytes(32)), 7, 7, 422, None),
        (known(4, bytes(32)), 4, 7, 422, None),
    ],
)
def test_the_answer_to_a_proved_checkpoint(
    state: Known | None, old: int, size: int, status: int, told: int | None
) -> None:
    """First contact, growth, repetition; another size, an old above the size, another root."""
    signer = Signer("ledger.example/0003", bytes([7]) * 32)
    proof = tuple(consistency_proof(Size(old), Size(size), subtree)) if old <= size else ()
    root = subtree(0, size) if size else EMPTY_ROOT
    note = sign(Checkpoint(origin=signer.name, size=Size(size), root=Hash(root)), signer)
    answer = answered(
        {LEDGER.name: LEDGER.verifier}, state, bytes(AddCheckpoint(old=Size(old), proof=proof, note=note))
    )
    assert (answer.status, answer.size) == (status, told)


@pytest.mark.parametrize(("state", "old"), [(None, 0), (known(1000), 1000)])
def test_a_proof_of_nothing_is_malformed(state: Known | None, old: int) -> None:
    """Where old is 0 or the size there is nothing to prove, and a proof is refused."""
    body = bytes(AddCheckpoint(old=Size(old), proof=(Hash(bytes(32)),), note=NOTE))
    assert answered(LOGS, state, body).status == 400


@pytest.mark.parametrize("proof", [(), (Hash(bytes(32)),) * 11, tuple(parse_request(BODY).proof[:-1])])
def test_a_wrong_proof_is_unprocessable(proof: tuple[Hash, ...]) -> None:
    """None, another, or one that is too short."""
    assert answered(LOGS, known(257), bytes(AddCheckpoint(old=Size(257), proof=proof, note=NOTE))).status == 422


@pytest.mark.parametrize(
    ("origin", "is_known"),
    [
        ("ledger.example", True),
        ("ledger.example/0000", True),
        ("ledger.example/9999", True),
        ("ledger.example/10000", False),
        ("ledger.example/003", False),
        ("ledger.example/00٣3", False),
        ("ledger.example/0003/0003", False),
        ("ledger.example/+003", False),
        ("ledger.example/", False),
        ("ledger.exampl/0003", False),
        ("/0003", False),
    ],
)
def test_a_ledgers_key_stands_for_its_shards(origin: str, is_known: bool) -> None:
    """Origins of four digits below the name, each with the key under its own name; and the name itself."""
    found = known_log({LEDGER.name: LEDGER.verifier}, origin)
    assert (found is not None) is is_known
    assert found is None or (found.name, found.public_key) == (origin, LEDGER.verifier.public_key)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda extra: b"old 3\n" + HASH + b"\n\n" + extra))
def test_what_is_accepted_serialises_to_the_same_bytes(body: bytes) -> None:
    """Whatever the bytes: a request of the same bytes, or an InputError."""
    try:
        request = parse_request(body)
    except InputError:
        return
    assert bytes(request) == body


@given(st.integers(0, 8 * len(BODY) - 1))
def test_no_flipped_bit_of_a_request_is_cosigned(bit: int) -> None:
    """Any changed bit is refused."""
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert answered(LOGS, known(257), bytes(changed)).status in {400, 403, 404, 409, 422}


def _naive(state: tuple[int, bytes] | None, request: dict[str, Any]) -> tuple[int, int | None]:
    """The specification's rules in its words, over trees of the vectors' leaves alone."""
    size, old, proof, root = request["size"], request["old"], request["proof"], request["root"]
    if request["signer"] == "unknown":
        return 404, None
    if request["signer"] == "wrong":
        return 403, None
    if old > size or (proof and old in {0, size}):
        return 400, None
    latest = state[0] if state is not None else 0
    if old != latest:
        return 409, latest
    if state is None or latest == 0:
        return 200, None
    if old == size:
        return (200, None) if root == state[1] else (422, None)
    right = proof == subproof(old, 0, size, known=True) and root == subtree(0, size) and state[1] == subtree(0, old)
    return (200, None) if right else (422, None)


@st.composite
def _requests(draw: st.DrawFn) -> dict[str, Any]:
    size, old = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    honest = subproof(old, 0, size, known=True) if 0 < old <= size else []
    proof = draw(st.sampled_from([honest, honest, honest, [], honest[:-1], [*honest, bytes(32)], [bytes(32)]]))
    right = subtree(0, size) if size else EMPTY_ROOT
    root = draw(st.sampled_from([right, right, right, bytes(32)])) if size else right
    signer = draw(st.sampled_from(["right", "right", "right", "right", "wrong", "unknown"]))
    return {"size": size, "old": old, "proof": proof, "root": root, "signer": signer}


@given(st.lists(_requests(), max_size=8))
def test_a_witness_decides_as_the_specification_says(requests: list[dict[str, Any]]) -> None:
    """Any sequence of submissions: the same answers as the naive witness's, and a state that only its 200s move."""
    right = Signer("ledger.example/0001", bytes([7]) * 32)
    wrong = Signer("ledger.example/0001", bytes([8]) * 32)
    unknown = Signer("elsewhere.example/0001", bytes([7]) * 32)
    state: tuple[int, bytes] | None = None
    for request in requests:
        signer = {"right": right, "wrong": wrong, "unknown": unknown}[request["signer"]]
        checkpoint = Checkpoint(origin=signer.name, size=Size(request["size"]), root=Hash(request["root"]))
        body = bytes(
            AddCheckpoint(old=Size(request["old"]), proof=tuple(request["proof"]), note=sign(checkpoint, signer))
        )
        seen = None if state is None else Known(size=Size(state[0]), root=Hash(state[1]))
        answer = answered({LEDGER.name: LEDGER.verifier}, seen, body)
        assert (answer.status, answer.size) == _naive(state, request)
        if answer.status == 200:
            state = (request["size"], request["root"])
