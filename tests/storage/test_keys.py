"""Keys: made once, staged and kept together, raced for, erased; never shown."""

import hmac
import stat
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError, NotFoundError, StoreConflictError, StoreError, UsageError
from ledger.proof.notes import Verifier
from ledger.storage.keyfiles import account_name, people_prefix
from ledger.storage.keys import KeyRaceError, KeyStore, Mac, PeopleReader, Person, read_account_key
from ledger.storage.opening import open_store
from ledger.storage.store import Store

ACTOR = b'{"type":"user","id":"u_17","email":"ana@acme.example"}'


class FailingStore:
    """A store whose next put_many stores nothing, or everything, and then reports a failure."""

    def __init__(self, store: Store, *, persist: bool) -> None:
        self._store = store
        self._persist = persist
        self.get, self.put, self.list, self.delete = store.get, store.put, store.list, store.delete

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Store or don't, then fail."""
        if self._persist:
            self._store.put_many(objects)
        raise StoreError("store_io", "the disk is gone")


def keep(keys: KeyStore) -> None:
    """Keep what is staged."""
    keys.keep(keys.take_staged())


@pytest.fixture
def keys(store: Store) -> KeyStore:
    """The keys of a new ledger."""
    return KeyStore.create(store, "demo")


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_a_mac_is_hmac_sha256(key: bytes, data: bytes) -> None:
    """For keys shorter and longer than a block, and again with the same states."""
    mac = Mac(key)
    expected = hmac.new(key, data, "sha256").hexdigest()
    assert mac(data) == mac(data) == expected


def test_opened_keys_are_those_that_were_created(store: Store, keys: KeyStore) -> None:
    """Signing key and ledger key are read back as they were made."""
    opened = KeyStore.open(store, "demo")
    assert opened.vkey("demo") == keys.vkey("demo")
    assert opened.ledger(b"x") == keys.ledger(b"x")


def test_a_shard_signs_with_the_ledgers_key_under_its_own_name(keys: KeyStore) -> None:
    """One key pair signs all shards; each origin is a key name of its own."""
    signer = keys.signer("demo/0003")
    ledger = Verifier.from_vkey(keys.vkey("demo"))
    assert signer.name == "demo/0003"
    assert ledger.renamed("demo/0003").vkey == signer.vkey == keys.vkey("demo/0003")


def test_keys_are_created_once(store: Store, keys: KeyStore) -> None:
    """A second ledger can't be given the same key directory, and the first one's keys stay."""
    with pytest.raises(StoreConflictError) as caught:
        KeyStore.create(store, "other")
    assert caught.value.code == "keys_exist"
    assert KeyStore.open(store, "demo").vkey("demo") == keys.vkey("demo")


def test_creating_goes_on_where_a_crash_left_it(store: Store, keys: KeyStore) -> None:
    """With the ledger key made and the signing key not, creating again completes them and keeps the ledger key."""
    store.delete("signing.json")
    assert KeyStore.create(store, "demo").ledger(b"x") == keys.ledger(b"x")


@pytest.mark.parametrize("missing", [["signing.json"], ["ledger.json"], ["signing.json", "ledger.json"]])
def test_missing_keys_are_not_found(store: Store, keys: KeyStore, missing: list[str]) -> None:
    """Without the signing key or the ledger key a ledger can't be written, and the hint says what still can be done."""
    for name in missing:
        store.delete(name)
    with pytest.raises(NotFoundError) as caught:
        KeyStore.open(store, "demo")
    assert caught.value.code == "keys_missing"
    assert "read and verified" in caught.value.hint


def test_another_ledgers_keys_are_refused(store: Store, keys: KeyStore) -> None:
    """Keys say whose they are."""
    with pytest.raises(UsageError) as caught:
        KeyStore.open(store, "other")
    assert caught.value.code == "wrong_keys"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}x", b'{"name":"demo","seed":"AAAA"}', b'{"name":"demo","seed":1}', b'{"name":"demo","seeds":"AAAA"}'],
    ids=["empty", "no JSON", "short", "wrong type", "unknown member"],
)
def test_a_damaged_key_file_is_an_integrity_error(store: Store, keys: KeyStore, data: bytes) -> None:
    """A key that can't be read is never replaced by a new one."""
    store.delete("signing.json")
    store.put("signing.json", data)
    with pytest.raises(IntegrityError) as caught:
        KeyStore.open(store, "demo")
    assert caught.value.code == "malformed_key"
    assert caught.value.__cause__ is None


def test_new_keys_are_nowhere_until_they_are_kept(store: Store, keys: KeyStore) -> None:
    """Account and person keys are staged in memory, and kept by one put_many."""
    person = keys.person("acme", "u_17")
    assert keys.staged == 2
    assert sorted(store.list("")) == ["ledger.json", "signing.json"]
    keep(keys)
    assert keys.staged == 0
    assert sorted(store.list("")) == [
        account_name("acme"),
        "ledger.json",
        f"{people_prefix('acme')}{hmac.new(keys.account('acme'), b'u_17', 'sha256').hexdigest()}.json",
        "signing.json",
    ]
    assert KeyStore.open(store, "demo").person("acme", "u_17").pseudonym == person.pseudonym


def test_keeping_nothing_writes_nothing(store: Store, keys: KeyStore) -> None:
    """A batch that needs no new key costs no write."""
    keep(KeyStore.open(FailingStore(store, persist=False), "demo"))


def test_a_person_is_the_same_one_each_time(store: Store, keys: KeyStore) -> None:
    """Pseudonym, seal and MAC are functions of the person's key alone: replays on another worker agree."""
    first = keys.person("acme", "u_17")
    assert keys.person("acme", "u_17") is first
    keep(keys)
    again = KeyStore.open(store, "demo").person("acme", "u_17")
    assert again.pseudonym == first.pseudonym
    assert again.seal(ACTOR) == first.seal(ACTOR) == first.seal(ACTOR)
    assert again.mac(b"record") == first.mac(b"record")


def test_people_and_accounts_are_told_apart(keys: KeyStore) -> None:
    """One actor id in two accounts is two people; two ids in one account too."""
    people = [keys.person("acme", "u_17"), keys.person("acme", "u_18"), keys.person("other", "u_17")]
    assert len({person.pseudonym for person in people}) == 3
    assert keys.account("acme") != keys.account("other")


def test_a_pseudonym_is_half_a_mac_of_the_actors_id(store: Store, keys: KeyStore) -> None:
    """32 hex digits of HMAC-SHA256(person key, actor id)."""
    person = keys.person("acme", "u_17")
    assert person.pseudonym == person.mac(b"u_17")[:32]


def test_a_sealed_identity_opens_with_its_key_and_account_only(keys: KeyStore) -> None:
    """Unsealing gives the bytes back; another person's key, another account or a changed byte does not."""
    person = keys.person("acme", "u_17")
    sealed = person.seal(ACTOR)
    assert person.unseal(sealed) == ACTOR
    changed = bytearray(b64decode(sealed))
    changed[-1] ^= 1
    for other, text in (
        (keys.person("acme", "u_18"), sealed),
        (person, b64encode(changed).decode()),
        (person, sealed[:-8]),
        (person, "not base64!"),
        (person, ""),
    ):
        with pytest.raises(IntegrityError) as caught:
            other.unseal(text)
        assert caught.value.code == "bad_seal"


def test_a_seal_is_bound_to_the_account() -> None:
    """The account is associated data: the same key in another account can't open what was sealed."""
    sealed = Person("acme", "", bytes(64)).seal(ACTOR)
    with pytest.raises(IntegrityError):
        Person("other", "", bytes(64)).unseal(sealed)


def test_remembered_seals_stay_few_and_right() -> None:
    """However many identities a person shows (each new IP is one), each is sealed as itself."""
    person = Person("acme", "", bytes(64))
    actors = [b"%d" % number for number in range(200)]
    assert [person.unseal(person.seal(actor)) for actor in actors * 2] == actors * 2
    assert len(person._seals) <= 64


def test_of_two_workers_the_first_to_keep_wins(store: Store, keys: KeyStore) -> None:
    """For the second one it is a KeyRaceError; fresh, its keys are the stored ones."""
    other = KeyStore.open(store, "demo")
    lost = other.person("acme", "u_17").pseudonym
    kept = keys.person("acme", "u_17")
    keep(keys)
    with pytest.raises(KeyRaceError) as caught:
        keep(other)
    assert caught.value.code == "key_race"
    other = other.fresh()
    again = other.person("acme", "u_17")
    assert again.pseudonym == kept.pseudonym != lost
    assert again.seal(ACTOR) == kept.seal(ACTOR)
    assert other.account("acme") == keys.account("acme")
    assert other.staged == 0


def test_a_race_for_an_account_drops_its_people_too(store: Store, keys: KeyStore) -> None:
    """A person staged under an account key that lost is looked for under the stored one."""
    other = KeyStore.open(store, "demo")
    other.person("acme", "u_99")
    keys.account("acme")
    keep(keys)
    with pytest.raises(KeyRaceError):
        keep(other)
    other = other.fresh()
    found = other.person("acme", "u_99")
    keep(other)
    assert KeyStore.open(store, "demo").person("acme", "u_99").pseudonym == found.pseudonym


@pytest.mark.parametrize("persist", [False, True], ids=["not persisted", "persisted but reported failed"])
def test_after_a_failure_the_stored_keys_count(store: Store, keys: KeyStore, *, persist: bool) -> None:
    """Whether or not the keys that failed were stored: fresh, what is there is used, and what is not is made anew."""
    failing = KeyStore.open(FailingStore(store, persist=persist), "demo")
    staged = failing.person("acme", "u_17").pseudonym
    with pytest.raises(StoreError):
        keep(failing)
    fresh = failing.fresh()
    assert (fresh.person("acme", "u_17").pseudonym == staged) is persist
    assert fresh.staged == (0 if persist else 2)


def test_what_was_taken_is_staged_no_more(store: Store, keys: KeyStore) -> None:
    """Each new key is in one batch's hands, and stays in memory for the next batch."""
    person = keys.person("acme", "u_17")
    assert len(keys.take_staged()) == 2
    assert keys.person("acme", "u_17") is person
    keys.person("acme", "u_18")
    assert len(keys.take_staged()) == 1


def test_an_account_without_a_key_has_none_to_read(store: Store, keys: KeyStore) -> None:
    """Reading an account's key never makes one."""
    assert read_account_key(store, "acme") is None
    key = keys.account("acme")
    keep(keys)
    assert read_account_key(store, "acme") == key


def test_a_key_under_another_accounts_name_is_refused(store: Store, keys: KeyStore) -> None:
    """Key files that were exchanged are found."""
    keys.account("acme")
    keep(keys)
    store.put(account_name("other"), store.get(account_name("acme")))
    with pytest.raises(IntegrityError) as caught:
        KeyStore.open(store, "demo").account("other")
    assert caught.value.code == "malformed_key"


def test_a_key_under_another_persons_name_is_refused(store: Store, keys: KeyStore) -> None:
    """A person's key must make the pseudonym that it is stored with, from the actor's id."""
    keys.person("acme", "u_17")
    keep(keys)
    (name,) = store.list(people_prefix("acme"))
    other = f"{people_prefix('acme')}{hmac.new(keys.account('acme'), b'u_18', 'sha256').hexdigest()}.json"
    store.put(other, store.get(name))
    with pytest.raises(IntegrityError) as caught:
        KeyStore.open(store, "demo").person("acme", "u_18")
    assert caught.value.code == "malformed_key"


def test_an_erased_person_can_not_be_named_any_more(store: Store, keys: KeyStore) -> None:
    """Erasing deletes the key and says whose it was; the same actor becomes another person afterwards."""
    person = keys.person("acme", "u_17")
    sealed = person.seal(ACTOR)
    keep(keys)
    assert keys.erase("acme", "u_17") == person.pseudonym
    assert keys.erase("acme", "u_17") is None
    assert PeopleReader(store).identity("acme", person.pseudonym, sealed) is None
    assert keys.person("acme", "u_17").pseudonym != person.pseudonym


def test_a_key_that_was_deleted_meanwhile_is_forgotten_and_no_other(store: Store, keys: KeyStore) -> None:
    """Whether it was made here or read; one that is not kept yet is not taken for deleted."""
    erased, kept = keys.person("acme", "u_1"), keys.person("acme", "u_2")
    keep(keys)
    waiting = keys.person("acme", "u_3")
    other = KeyStore.open(store, keys.name)
    read = other.person("acme", "u_1")
    assert KeyStore.open(store, keys.name).erase("acme", "u_1") == erased.pseudonym == read.pseudonym
    for each in (keys, other):
        assert each.forget_erased(each.stored_people())
        assert not each.forget_erased(each.stored_people())
        assert each.person("acme", "u_1").pseudonym != erased.pseudonym
        assert each.person("acme", "u_2").pseudonym == kept.pseudonym
    assert keys.person("acme", "u_3") is waiting


def test_who_is_forgotten_in_error_is_read_again(store: Store, keys: KeyStore) -> None:
    """A listing may be older than a key: the stored key is found, and not another one made."""
    before = keys.stored_people()
    person = keys.person("acme", "u_1")
    keep(keys)
    assert keys.forget_erased(before)
    assert keys.person("acme", "u_1").pseudonym == person.pseudonym
    assert keys.staged == 0


def test_erasing_somebody_unknown_erases_nobody(store: Store, keys: KeyStore) -> None:
    """Neither an unknown account nor an unknown actor gets a key by being erased."""
    assert keys.erase("nobody", "u_1") is None
    keys.account("acme")
    keep(keys)
    assert keys.erase("acme", "u_1") is None
    assert keys.staged == 0


def test_readers_name_people_whose_keys_exist(store: Store, keys: KeyStore) -> None:
    """With the key the actor's JSON comes back, without it None; accounts are kept apart."""
    people = [keys.person("acme", f"u_{number}") for number in range(20)]
    keep(keys)
    reader = PeopleReader(store)
    for number, person in enumerate(people):
        assert reader.identity("acme", person.pseudonym, person.seal(b"%d" % number)) == b"%d" % number
    assert reader.identity("acme", "0" * 32, people[0].seal(ACTOR)) is None
    assert reader.identity("other", people[0].pseudonym, people[0].seal(ACTOR)) is None


def test_readers_without_a_key_directory_name_nobody(tmp_path: Path) -> None:
    """A missing key directory is no error for readers, and is not made by them."""
    assert PeopleReader(open_store(str(tmp_path / "keys"))).identity("acme", "0" * 32, "AAAA") is None
    assert not (tmp_path / "keys").exists()


def test_readers_that_may_not_see_the_keys_name_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that this user can't read are as good as none."""

    def deny(prefix: str, after: str = "") -> None:
        raise StoreError("permission_denied", f"{prefix} {after}")

    monkeypatch.setattr(store, "list", deny)
    assert PeopleReader(store).identity("acme", "0" * 32, "AAAA") is None


def test_a_sealed_identity_that_was_changed_is_not_taken_for_an_erased_one(store: Store, keys: KeyStore) -> None:
    """Where the key exists and does not fit, readers say so."""
    person = keys.person("acme", "u_17")
    keep(keys)
    with pytest.raises(IntegrityError) as caught:
        PeopleReader(store).identity("acme", person.pseudonym, b64encode(bytes(40)).decode())
    assert caught.value.code == "bad_seal"


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """On a local store files have mode 0600, folders 0700."""
    keys = KeyStore.create(open_store(str(tmp_path / "keys"), file_mode=0o600, dir_mode=0o700), "demo")
    keys.person("acme", "u_17")
    keep(keys)
    paths = [tmp_path / "keys", *(tmp_path / "keys").rglob("*")]
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths} == {(True, 0o700), (False, 0o600)}


def test_no_key_file_names_a_person(store: Store, keys: KeyStore) -> None:
    """Neither names nor contents of key files hold the actor's id."""
    keys.person("acme", "ana@acme.example")
    keep(keys)
    for name in store.list(""):
        assert b"ana@" not in name.encode() + store.get(name)
        assert sha256(b"ana@acme.example").hexdigest() not in name


def test_no_repr_shows_a_key(store: Store, keys: KeyStore) -> None:
    """Printing anything that holds keys shows none of their bytes."""
    person = keys.person("acme", "u_17")
    keep(keys)
    shown = "".join(map(repr, (keys, person, person.mac, keys.ledger, keys.signer("demo/0000"))))
    secrets = [line.split(b'"')[-2].decode() for line in map(store.get, store.list(""))]
    assert len(secrets) == 4
    for secret in secrets:
        assert secret not in shown
        assert b64decode(secret).hex() not in shown
        assert repr(b64decode(secret))[2:-1] not in shown
