"""The witnesses of a ledger: where each is, and its public key (`witnesses/<key id>.json`)."""

import msgspec

from ledger.errors import IntegrityError, StoreConflictError, UsageError
from ledger.log.ledgerfile import LedgerFile
from ledger.proof.cosignatures import WitnessVerifier
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.witness.exchange import parse_prefix

__all__ = ["Witness", "add_witness", "list_witnesses"]


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A witness as a ledger remembers it."""

    url: str
    """The prefix under which it takes submissions."""
    vkey: str
    """Its public key, of type 4."""

    @property
    def verifier(self) -> WitnessVerifier:
        """What checks its cosignatures."""
        return WitnessVerifier.from_vkey(self.vkey)

    @property
    def id(self) -> str:
        """The key id in hex, which the ledger knows it by."""
        return self.verifier.key_id.hex()


def add_witness(store: Store, about: LedgerFile, url: str, vkey: str) -> Witness:
    """Remember a witness; durable on return, and no error where it is known already.

    Raises:
        UsageError: `bad_witness_url`; `log_is_witness`, where the key is this ledger's own; `witness_exists`, where a witness with
            that key id is known with another URL or key.
        IntegrityError: `malformed_vkey`, `unsupported_key`.
    """
    witness = Witness(parse_prefix(url).url, vkey)
    if witness.verifier.public_key == Verifier.from_vkey(about.vkey).public_key:
        raise UsageError("log_is_witness", "this ledger's own key is no witness of it", "give the witness's vkey")
    name = layout.witness(witness.id)
    try:
        store.put(name, msgspec.json.encode(witness) + b"\n")
    except StoreConflictError as error:
        if _read(store, name) != witness:
            raise UsageError(
                "witness_exists",
                f"the ledger knows the witness {witness.id} with another URL or key",
                f"if it has moved, remove {name} from the ledger and add it again",
            ) from error
    return witness


def list_witnesses(store: Store) -> list[Witness]:
    """The witnesses of a ledger, by key id.

    Raises:
        IntegrityError: `bad_witness_file`.
    """
    return [_read(store, name) for name in store.list(layout.WITNESSES)]


def _read(store: Store, name: str) -> Witness:
    try:
        witness = msgspec.json.decode(store.get(name), type=Witness)
        if name != layout.witness(witness.id):
            raise IntegrityError("bad_witness_file", f"{name} is that of the witness {witness.id}")
        parse_prefix(witness.url)
    except (msgspec.MsgspecError, IntegrityError, UsageError) as error:
        raise IntegrityError("bad_witness_file", f"{name} is damaged: {error}", "remove it and add it again") from error
    return witness
