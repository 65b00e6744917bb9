"""A store on S3 or anything that speaks its protocol, and on the other object stores that obstore knows."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError, NotFoundError, StoreConflictError, StoreError, UsageError
from ledger.storage.store import check_name, check_prefix

if TYPE_CHECKING:
    import obstore
else:
    try:
        import obstore
    except ImportError:  # the extra is not installed; `ObjectStore` says so
        obstore = None

__all__ = ["ObjectStore"]

_PARALLEL_PUTS: Final = 16


class ObjectStore:
    """A `Store` whose objects are those of a bucket. Creating is exclusive by if-none-match, durable by the store's promise.

    The client repeats what failed on the way by itself, so a put whose answer was lost can report a conflict with its own
    object, as `Store` says.

    Args:
        url: `s3://bucket/prefix` and the like; `memory:///` for one that lives and dies with this object. Credentials and the
            endpoint come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, ...).

    Raises:
        UsageError: `extra_missing` without the library, `bad_location` for a URL that it does not know.
    """

    def __init__(self, url: str) -> None:
        if obstore is None:
            raise UsageError(
                "extra_missing", f"{url} needs the object store library", "install the extra: deployment-ledger[s3]"
            )
        self._url = url
        try:
            self._store: Any = obstore.store.from_url(url)
        except (obstore.exceptions.BaseError, ValueError, TypeError) as error:
            raise UsageError("bad_location", f"not the location of a store: {url} ({_first_line(error)})") from error

    def __repr__(self) -> str:
        return f"ObjectStore({self._url!r})"

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        if not self._create(check_name(name), data):
            raise StoreConflictError(
                "object_exists", f"{name} exists already in {self._url}", "read it: objects never change"
            )

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`. A name that is given twice is created by the first."""
        first: dict[str, bytes] = {}
        for name, data in objects:
            first.setdefault(check_name(name), data)
        with ThreadPoolExecutor(min(_PARALLEL_PUTS, len(first)) or 1) as pool:
            created = dict(zip(first, pool.map(self._create, first, first.values()), strict=True))
        return [created.pop(name, False) for name, _ in objects]

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        check_name(name)
        try:
            with self._errors("read", name):
                return bytes(obstore.get(self._store, name).bytes())
        except FileNotFoundError as error:
            raise NotFoundError("object_not_found", f"there is no {name} in {self._url}") from error

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`."""
        # The library's prefixes are whole parts; and not every object store lists in order.
        folder = check_prefix(prefix).rpartition("/")[0]
        with self._errors("list", prefix):
            pages = obstore.list(self._store, prefix=folder or None, offset=_as_name(after))
            names = [str(meta["path"]) for page in pages for meta in page]
        return iter(sorted(name for name in names if name.startswith(prefix) and name > after))

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        check_name(name)
        try:
            with self._errors("delete", name):
                obstore.delete(self._store, name)
        except FileNotFoundError:
            return

    def _create(self, name: str, data: bytes) -> bool:
        with self._errors("create", name):
            try:
                # Crash here: the object exists whole or not at all, which is the store's promise.
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError, FileExistsError):
                return False
        return True

    @contextmanager
    def _errors(self, doing: str, name: str) -> Iterator[None]:
        """Turn the library's errors into StoreErrors; FileNotFoundError passes."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as error:
            message, hint = (
                f"not allowed to {doing} {name} in {self._url}",
                "check the credentials and the bucket's policy",
            )
            raise StoreError("permission_denied", message, hint) from error
        except obstore.exceptions.NotSupportedError as error:
            message, hint = (
                f"could not {doing} {name} in {self._url}: not supported",
                "the store must know if-none-match",
            )
            raise StoreError("store_io", message, hint) from error
        except (obstore.exceptions.BaseError, OSError) as error:
            message = f"could not {doing} {name} in {self._url}: {_first_line(error)}"
            raise StoreError(
                "store_unavailable", message, "check the endpoint, the network and the bucket's name"
            ) from error


def _as_name(text: str) -> str | None:
    """The text where it is a name, which is all that the library can start after; else None, and all names are asked for."""
    try:
        return check_name(text)
    except InputError:
        return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
