"""The local store: the order of its system calls, processes that race, and what a failing disk does to it."""

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import NotFoundError, StoreConflictError, StoreError
from ledger.storage import durable
from ledger.storage.local import LocalStore
from ledger.storage.opening import open_store


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty local store whose root does not exist yet."""
    return LocalStore(tmp_path / "made" / "root")


def temporary_files(store: LocalStore) -> list[str]:
    """What puts left behind."""
    return [path.name for path in store.root.rglob("*") if path.name.startswith(".tmp-")]


def path_of(descriptor: int) -> str:
    """The path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class Calls:
    """Records the system calls that matter, by replacing them in `os` with ones that note and go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, str]] = []
        fsync, link, write = os.fsync, os.link, os.write

        def noted_fsync(descriptor: int) -> None:
            self.seen.append(("fsync", path_of(descriptor)))
            fsync(descriptor)

        def noted_write(descriptor: int, data: bytes) -> int:
            self.seen.append(("write", path_of(descriptor)))
            return write(descriptor, data)

        def noted_link(source: Path, target: Path) -> None:
            self.seen.append(("link", str(target)))
            link(source, target)

        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "write", noted_write)
        monkeypatch.setattr(os, "link", noted_link)


def test_a_put_is_written_synced_linked_and_its_folder_synced(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are durable before the name exists, and the name before put returns."""
    store.put("log/first", b"")
    calls = Calls(monkeypatch)
    store.put("log/0", b"data")
    folder = str(store.root / "log")
    assert [name for name, _ in calls.seen] == ["write", "fsync", "link", "fsync"]
    assert calls.seen[0][1] == calls.seen[1][1]
    assert calls.seen[1][1].startswith(f"{folder}/.tmp-")
    assert calls.seen[2:] == [("link", f"{folder}/0"), ("fsync", folder)]


def test_a_new_folder_is_synced_into_its_parents(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where folders were made, each of their parents is synced, those above the root too; later puts do it no more."""
    calls = Calls(monkeypatch)
    store.put("a/b/c", b"")
    linked = calls.seen.index(("link", str(store.root / "a/b/c")))
    synced = {Path(path) for name, path in calls.seen[linked:] if name == "fsync"}
    above = store.root.parent
    assert synced == {store.root / "a/b", store.root / "a", store.root, above, above.parent}


def test_a_folder_that_somebody_else_made_is_synced_into_its_parent_once(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made a folder may have died before syncing it: each store syncs the parents of what it uses, once."""
    (store.root / "a").mkdir(parents=True)
    calls = Calls(monkeypatch)
    store.put("a/1", b"")
    assert ("fsync", str(store.root)) in calls.seen
    calls.seen.clear()
    store.put("a/2", b"")
    assert ("fsync", str(store.root)) not in calls.seen


def test_a_conflict_syncs_the_folder_too(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a put finds to exist is durable when it says so: the one who created it may have died before its last sync."""
    store.put("a/1", b"")
    calls = Calls(monkeypatch)
    with pytest.raises(StoreConflictError):
        store.put("a/1", b"other")
    assert calls.seen == [("fsync", str(store.root / "a"))]


def test_few_files_are_synced_each_and_their_folder_once(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to eight files are fsynced one by one before any is linked; the folder once, after all."""
    store.put("a/first", b"")
    calls = Calls(monkeypatch)
    store.put_many([(f"a/{number}", b"x") for number in range(8)])
    assert [name for name, _ in calls.seen] == ["write", "fsync"] * 8 + ["link"] * 8 + ["fsync"]


def test_many_files_are_synced_by_one_call_before_any_is_linked(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above eight files one syncfs stands for their fsyncs, and another for those of more than eight folders."""
    store.put("first", b"")
    calls = Calls(monkeypatch)
    monkeypatch.setattr(durable, "_load_syncfs", lambda: lambda _: calls.seen.append(("syncfs", "")))
    store.put_many([(f"a{number}/x", b"x") for number in range(9)])
    assert [name for name, _ in calls.seen] == ["write"] * 9 + ["syncfs"] + ["link"] * 9 + ["syncfs"]


def test_without_syncfs_many_files_are_synced_each(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no syncfs that reports errors, the guarantee is the same."""
    store.put("a/first", b"")
    calls = Calls(monkeypatch)
    monkeypatch.setattr(durable, "_load_syncfs", lambda: None)
    store.put_many([(f"a/{number}", b"x") for number in range(9)])
    assert [name for name, _ in calls.seen] == ["write", "fsync"] * 9 + ["link"] * 9 + ["fsync"]


def test_a_delete_is_synced(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted object (an erased person's key) does not come back after a power cut."""
    store.put("a/1", b"")
    calls = Calls(monkeypatch)
    store.delete("a/1")
    assert calls.seen == [("fsync", str(store.root / "a"))]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_the_calls_in_that_order(tmp_path: Path) -> None:
    """Under strace: the temporary file is written and fsynced, then linked, then the folder is fsynced."""
    trace, root = tmp_path / "trace", tmp_path / "root"
    program = (
        "from pathlib import Path; from ledger.storage.local import LocalStore; "
        f"LocalStore(Path({str(root)!r})).put('log/0', b'the bytes')"
    )
    command = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(trace),
        "-e",
        "trace=write,fsync,link,linkat",
        sys.executable,
        "-c",
        program,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip("this system does not allow strace")
    assert done.returncode == 0, done.stderr
    lines = [line for line in trace.read_text().splitlines() if str(root) in line]
    kinds = [line.split("(")[0].split()[-1] for line in lines]
    assert kinds[:3] in (["write", "fsync", "link"], ["write", "fsync", "linkat"])
    assert all("/.tmp-" in line for line in lines[:2])
    assert {line.split("<")[1].split(">")[0] for line in lines[3:]} == {f"{root}/log", str(root)}


RACE = """
import sys
from pathlib import Path
from ledger.errors import StoreConflictError
from ledger.storage.local import LocalStore
store, me = LocalStore(Path(sys.argv[1])), sys.argv[2]
sys.stdin.readline()
won = []
for number in range(50):
    try:
        store.put(f"race/{number:02d}", me.encode())
        won.append(number)
    except StoreConflictError:
        pass
print(*won)
"""


def test_of_many_processes_exactly_one_creates(store: LocalStore) -> None:
    """Processes that put the same fifty names: each name is created by one, and holds that one's bytes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(store.root), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    won = {str(number): process.communicate(timeout=60)[0].split() for number, process in enumerate(processes)}
    winners = {f"race/{int(number):02d}": me for me, numbers in won.items() for number in numbers}
    assert sum(map(len, won.values())) == len(winners) == 50
    assert all(store.get(name) == me.encode() for name, me in winners.items())
    assert temporary_files(store) == []


def failing(
    code: int, when: Callable[..., bool] = lambda *_: True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A system call that fails with this error when the condition on its arguments holds."""

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def fail(*args: Any, **options: Any) -> Any:
            if when(*args):
                raise OSError(code, os.strerror(code))
            return call(*args, **options)

        return fail

    return wrap


FAULTS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EIO: "store_io",
    errno.EMFILE: "store_io",
    errno.ENOENT: "store_io",
}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
@pytest.mark.parametrize(("number", "code"), FAULTS.items(), ids=[errno.errorcode[number] for number in FAULTS])
def test_each_failing_call_has_its_code_and_leaves_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    """Whatever call fails however: a StoreError that names the path and a hint, no object, no rubbish, and a retry works."""
    store.put("a/first", b"")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number)(getattr(os, call)))
        with pytest.raises(StoreError) as caught:
            store.put("a/1", b"data")
    assert caught.value.code == code
    assert str(store.root / "a") in caught.value.message
    assert os.strerror(number) in caught.value.message
    assert caught.value.hint
    assert list(store.list("a/1")) == temporary_files(store) == []
    store.put("a/1", b"data")
    assert store.get("a/1") == b"data"


def test_a_sync_of_many_that_fails_creates_none(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where syncfs reports an error no name is linked."""

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "_load_syncfs", lambda: fail)
    with pytest.raises(StoreError) as caught:
        store.put_many([(f"a/{number}", b"x") for number in range(20)])
    assert caught.value.code == "store_io"
    assert list(store.list("")) == temporary_files(store) == []


def test_a_folder_that_can_not_be_synced_is_an_error_although_the_object_is_there(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put that raised may have created: the retry meets a conflict, and syncs the folder before it says so."""
    store.put("a/first", b"")
    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "fsync",
            failing(errno.EIO, lambda descriptor: stat.S_ISDIR(os.fstat(descriptor).st_mode))(os.fsync),
        )
        with pytest.raises(StoreError) as caught:
            store.put("a/1", b"data")
        assert not isinstance(caught.value, StoreConflictError)
        with pytest.raises(StoreError) as again:
            store.put("a/1", b"data")
        assert not isinstance(again.value, StoreConflictError)
    with pytest.raises(StoreConflictError):
        store.put("a/1", b"data")
    assert store.get("a/1") == b"data"


def test_a_link_that_was_made_but_reported_failed_is_a_conflict_for_the_retry(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Persisted but reported failed: the error leaves it open, the retry finds the object whole."""
    link = os.link

    def made_but_failed(source: Path, target: Path) -> None:
        link(source, target)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", made_but_failed)
        with pytest.raises(StoreError) as caught:
            store.put("a/1", b"data")
    assert caught.value.code == "store_io"
    with pytest.raises(StoreConflictError):
        store.put("a/1", b"data")
    assert store.get("a/1") == b"data"
    assert temporary_files(store) == []


def test_a_short_write_is_continued(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes only a part of the bytes is followed by one for the rest."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    store.put("a/1", b"ten bytes!")
    assert store.get("a/1") == b"ten bytes!"


def test_temporary_files_of_a_crash_are_no_objects(store: LocalStore) -> None:
    """What a killed process left is neither listed nor in anybody's way."""
    store.put("a/1", b"data")
    (store.root / "a" / ".tmp-1-00").write_bytes(b"half")
    assert list(store.list("")) == ["a/1"]
    store.put("a/2", b"data")
    assert list(store.list("")) == ["a/1", "a/2"]


def test_a_file_where_a_folder_should_be_is_an_error(store: LocalStore) -> None:
    """An object can't lie below another one, and the message says why."""
    store.put("a", b"")
    with pytest.raises(StoreError) as caught:
        store.put("a/b", b"")
    assert caught.value.code == "store_io"
    assert "is a file" in caught.value.hint


@pytest.mark.parametrize("gone", [".", "a", "a/b"])
def test_a_folder_that_was_removed_meanwhile_is_not_made_again(store: LocalStore, gone: str) -> None:
    """A store whose disk is not mounted any more does not go on in the empty place; one that is put back it uses again."""
    store.put("a/b/1", b"")
    aside = store.root.parent / "aside"
    (store.root / gone).rename(aside)
    with pytest.raises(StoreError, match="was removed while it was in use"):
        store.put("a/b/2", b"")
    assert not (store.root / gone).exists()
    aside.rename(store.root / gone)
    store.put("a/b/2", b"")
    assert list(store.list("")) == ["a/b/1", "a/b/2"]


def test_reading_what_was_never_made_finds_nothing(store: LocalStore) -> None:
    """A store whose root does not exist is empty, and stays unmade by reading."""
    assert list(store.list("")) == []
    store.delete("a")
    with pytest.raises(NotFoundError):
        store.get("a")
    assert not store.root.exists()


@pytest.mark.parametrize("call", ["list", "get", "delete"])
def test_a_store_that_can_not_be_read_is_an_error(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Not being allowed is not the same as not being there."""
    store.put("a/1", b"")
    deny = failing(errno.EACCES)
    monkeypatch.setattr(os, "scandir", deny(os.scandir))
    monkeypatch.setattr(Path, "read_bytes", deny(Path.read_bytes))
    monkeypatch.setattr(Path, "unlink", deny(Path.unlink))
    actions: dict[str, Callable[[], object]] = {
        "list": lambda: list(store.list("")),
        "get": lambda: store.get("a/1"),
        "delete": lambda: store.delete("a/1"),
    }
    with pytest.raises(StoreError) as caught:
        actions[call]()
    assert caught.value.code == "permission_denied"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_an_error(store: LocalStore) -> None:
    """The real thing, besides the simulated errors: a directory of mode 0500."""
    store.put("a/1", b"")
    (store.root / "a").chmod(0o500)
    try:
        with pytest.raises(StoreError) as caught:
            store.put("a/2", b"")
    finally:
        (store.root / "a").chmod(0o700)
    assert caught.value.code == "permission_denied"


def test_modes_are_those_asked_for(tmp_path: Path) -> None:
    """Files and folders get the modes that the store was opened with, the root included."""
    store = open_store(str(tmp_path / "keys"), file_mode=0o600, dir_mode=0o700)
    store.put("people/x.json", b"")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "keys", *(tmp_path / "keys").rglob("*")]
    }
    assert modes == {"keys": 0o700, "people": 0o700, "x.json": 0o600}
