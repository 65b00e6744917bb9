"""Plaintext secrets: finding them in what was sent, so that they are refused, and so that their bytes are kept nowhere.

Two questions, answered on the parsed tree with repeated members included. `refuse_plaintext`: does the event hold a secret's value where
the format has secrets? `may_hold_a_secret`: could anything in it, anywhere, be one? The first makes the reason; the second only
decides whether a rejected record's bytes may lie in quarantine, and errs on the side of yes.
"""

import re
from typing import Any, Final

from ledger.model.aspects import SECRET_TYPES, is_valid_secret
from ledger.model.jsontext import Members, strings, walk
from ledger.model.reasons import join, refuse

__all__ = ["may_hint_at_a_secret", "may_hold_a_secret", "refuse_plaintext"]

_HINTS: Final = re.compile(rb"secret|binding|\\u", re.IGNORECASE)
"""A name like it, what may hold one whose type was cut away, an escape that may hide either."""


def may_hint_at_a_secret(raw: bytes) -> bool:
    """Whether bytes that cannot be parsed could hold a secret's value. Zero bytes are passed over: so UTF-16 and UTF-32 write."""
    return _HINTS.search(raw.replace(b"\0", b"")) is not None


def refuse_plaintext(tree: Any) -> None:
    """Refuse an event that holds a secret's value where the format has secrets, repeated members included."""
    for data in _all(tree, "data"):
        for verb in ("replace", "merge"):
            for bindings in _each(data, "bindings", verb):
                _refuse_plaintext_bindings(bindings, f"$.data.bindings.{verb}")
            for config in _each(data, "config", verb):
                _refuse_plaintext_config(config, f"$.data.config.{verb}")


def _refuse_plaintext_bindings(bindings: Members, path: str) -> None:
    for name, binding in bindings:
        if any(kind in SECRET_TYPES for kind in _all(binding, "type") if isinstance(kind, str)):
            raise refuse("plaintext_secret", join(path, name), "a secret belongs under config.secrets, as a MAC")


def _refuse_plaintext_config(config: Members, path: str) -> None:
    for secrets in _all(config, "secrets"):
        for name, secret in secrets if isinstance(secrets, Members) else ():
            if secret is not None and not _is_secret_shaped(secret):
                place = join(join(path, "secrets"), name)
                raise refuse("plaintext_secret", place, "a secret is sent as a MAC of its value, and as nothing else")


def _is_secret_shaped(secret: Any) -> bool:
    """Whether a secret has its members only. None but `algorithm` is or holds an object: names in it would stand in a path."""
    allowed = {"mac", "type", "algorithm", "format", "usages"}
    return isinstance(secret, Members) and all(
        name in allowed and (name == "algorithm" or not any(walk(value))) for name, value in secret
    )


def may_hold_a_secret(tree: Any) -> bool:
    """Whether anything, anywhere, could be a secret's value: then the bytes are not kept. Errs on the side of yes."""
    if isinstance(tree, str | None):
        return tree is not None
    if any(_holds_a_document(text) for text in strings(tree)):
        return True
    for path, name, value in walk(tree):
        folded = name.lower()
        if folded == "type" and any(text in SECRET_TYPES for text in strings(value)):
            return True
        if path == "$" and folded in ("data", "data_base64") and isinstance(value, str):
            return True
        if "secret" in folded and not _is_harmless(value):
            return True
    return False


def _holds_a_document(text: str) -> bool:
    """Whether a string is JSON once more (some producers encode `data` twice) and may have a secret in it."""
    return "{" in text and may_hint_at_a_secret(text.encode())


def _is_harmless(secrets: Any) -> bool:
    """Whether a member named like secrets holds valid ones only."""
    if not isinstance(secrets, Members):
        return secrets is None
    names = [name for name, _ in secrets]
    return len(set(names)) == len(names) and all(
        value is None
        or (isinstance(value, Members) and len(dict(value)) == len(value) and is_valid_secret(dict(value)))
        for _, value in secrets
    )


def _all(tree: Any, name: str) -> list[Any]:
    return [value for member, value in tree if member == name] if isinstance(tree, Members) else []


def _each(data: Any, aspect: str, verb: str) -> list[Members]:
    return [inner for part in _all(data, aspect) for inner in _all(part, verb) if isinstance(inner, Members)]
