"""Keys under which a shard's index of marks finds entries: by number, by text, by what was refused. Pure."""

from ledger.model import ids

__all__ = ["again_key", "number_key", "same_key", "served_key", "text_key"]


def again_key(source: str, event_id: str) -> str:
    """Of an event that was rejected, or came again."""
    return f"again\0{ids.event_key(source, event_id)}"


def number_key(kind: str, account: str, script: str, number: int) -> str:
    """Of a `version` or `deployment` by its number."""
    return f"{kind}\0{account}\0{script}\0{number}"


def text_key(kind: str, account: str, script: str, text: str) -> str:
    """Of versions by `tag` or `message`, those of uploads that left them as they were included."""
    return f"{kind}\0{account}\0{script}\0{text}"


def served_key(version: str) -> str:
    """Of the deployments that gave a version all traffic."""
    return f"served\0{version}"


def same_key(index: int) -> str:
    """Of how many earlier entries of its script have the recorded time of an entry; absent where none has."""
    return f"same\0{index}"
