"""Names of the objects of a ledger: path arithmetic only, no IO.

A ledger is a tree of objects under one root; every name here is relative to it, with `/` between its parts.
`docs/FORMAT.md` lists them all.
"""

import re
from hashlib import sha256
from typing import Final, NamedTuple

LEDGER_FILE: Final = "ledger.json"
LOG: Final = "log/"
PACKS: Final = "packs/"
INDEX: Final = "index/"
ACCOUNTS: Final = "accounts/"
TOPICS: Final = "topics/"
GAPS: Final = "gaps/"
KEYS: Final = "keys/"
BLOBS: Final = "blobs/"
QUARANTINE: Final = "quarantine/"
WITNESSES: Final = "witnesses/"
WITNESSED: Final = "witnessed/"
TOKENS: Final = "tokens/"
AUDIT: Final = "audit/"
CACHE: Final = "cache/"

MAX_SHARDS: Final = 10_000
MAX_INDEX: Final = 10**16 - 1
_SEGMENT = re.compile(r"log/([0-9]{4})/([0-9]{16})\.ndjson\.zst")
_QUARANTINED = re.compile(r"quarantine/([0-9]{4})/([0-9]{16})\.json")
_PACK = re.compile(r"packs/([0-9]{4})/([0-9]{16})-([0-9]{16})-([0-9a-f]{32})\.parquet")
_TOKEN = re.compile(r"tokens/([0-9a-f]{16})(\.revoked)?\.json")
_INDEX = re.compile(
    r"index/([0-9]{4})/([0-9]{16})-([0-9]{16})-([0-9a-f]{32})-([0-9]{18})-([0-9]{18})-(full|rows)\.parquet"
)
_IDS = re.compile(r"index/([0-9]{4})/([0-9]{16})-([0-9]{16})-([0-9a-f]{32})-ids\.parquet")
_WITNESSED = re.compile(r"witnessed/([0-9]{4})/([0-9]{16})-([0-9a-f]{8})\.note")


class SegmentName(NamedTuple):
    """What a segment's name says: the shard, and the index of the segment's first entry."""

    shard: int
    first: int


class PackName(NamedTuple):
    """What a pack's name says: the shard, the index of its first entry, how many it holds, and the start of its file's SHA-256."""

    shard: int
    first: int
    entries: int
    digest: str

    @property
    def end(self) -> int:
        """The index after its last entry."""
        return self.first + self.entries


class IndexName(NamedTuple):
    """What the name of a pack's index says: of which pack, the least and the greatest effective time in it, and whether it is full."""

    pack: PackName
    least_us: int
    """Microseconds since the beginning of the year 1; greater than `most_us` where no entry of the pack changed a script."""
    most_us: int
    full: bool
    """Whether it holds the state before the pack too."""


class WitnessedName(NamedTuple):
    """What the name of a cosigned checkpoint says: the shard, its size there, and the key id of the witness in hex."""

    shard: int
    size: int
    witness: str


class TokenName(NamedTuple):
    """What the name of a token's object says: which token, and whether it revokes it."""

    id: str
    is_revocation: bool


def shard_prefix(shard: int) -> str:
    """The prefix under which all segments of a shard lie (requires 0 <= shard < MAX_SHARDS)."""
    return f"{LOG}{shard:04d}/"


def segment(shard: int, index: int) -> str:
    """The name of the segment whose first entry has this index (requires 0 <= index <= MAX_INDEX)."""
    return f"{LOG}{shard:04d}/{index:016d}.ndjson.zst"


def parse_segment(name: str) -> SegmentName | None:
    """The shard and first index that a segment's name says, or None where it is not such a name."""
    match = _SEGMENT.fullmatch(name)
    return SegmentName(int(match[1]), int(match[2])) if match else None


def packs_prefix(shard: int) -> str:
    """The prefix under which all packs of a shard lie."""
    return f"{PACKS}{shard:04d}/"


def pack(shard: int, first: int, count: int, digest: str) -> str:
    """The name of the pack of `count` entries from `first` on whose file has this SHA-256 (hex; the first 32 digits count)."""
    return f"{PACKS}{shard:04d}/{first:016d}-{count:016d}-{digest[:32]}.parquet"


def parse_pack(name: str) -> PackName | None:
    """What a pack's name says, or None where it is not such a name."""
    match = _PACK.fullmatch(name)
    if not match or not int(match[3]):
        return None
    return PackName(int(match[1]), int(match[2]), int(match[3]), match[4])


def index_prefix(shard: int) -> str:
    """The prefix under which the indexes of a shard's packs lie."""
    return f"{INDEX}{shard:04d}/"


def index(name: IndexName) -> str:
    """The index of a pack (requires 0 <= time < 10^18 of both)."""
    stem = f"{_index_stem(name.pack)}-{name.least_us:018d}-{name.most_us:018d}"
    return f"{stem}-{'full' if name.full else 'rows'}.parquet"


def parse_index(name: str) -> IndexName | None:
    """What the name of an index says, or None where it is not such a name."""
    match = _INDEX.fullmatch(name)
    if not match:
        return None
    pack = PackName(int(match[1]), int(match[2]), int(match[3]), match[4])
    return IndexName(pack, int(match[5]), int(match[6]), match[7] == "full")


def index_ids(pack: PackName) -> str:
    """The ids in a pack."""
    return f"{_index_stem(pack)}-ids.parquet"


def parse_index_ids(name: str) -> PackName | None:
    """Of which pack an object holds the ids, or None where it is not such a name."""
    match = _IDS.fullmatch(name)
    return PackName(int(match[1]), int(match[2]), int(match[3]), match[4]) if match else None


def _index_stem(pack: PackName) -> str:
    return f"{INDEX}{pack.shard:04d}/{pack.first:016d}-{pack.entries:016d}-{pack.digest}"


def account(name: str) -> str:
    """The registration of an account: which shard it is at home in."""
    return f"{ACCOUNTS}{sha256(name.encode()).hexdigest()[:32]}.json"


def topic(topic_id: str) -> str:
    """The acceptance of a topic id."""
    return f"{TOPICS}{topic_id}.json"


def gap_prefix(shard: int, topic_id: str) -> str:
    """The prefix under which the accepted gaps of a partition of the topic with this id lie."""
    return f"{GAPS}{shard:04d}/{topic_id}/"


def gap(shard: int, topic_id: str, offset: int) -> str:
    """The acceptance of a gap that begins at this offset (requires 0 <= offset < 2^63)."""
    return f"{gap_prefix(shard, topic_id)}{offset:019d}.json"


def blob(digest: str) -> str:
    """The blob with this SHA-256 (64 lower-case hex digits)."""
    return f"{BLOBS}{digest[:2]}/{digest}"


def quarantine(shard: int, index: int) -> str:
    """The raw bytes of the rejected record whose entry has this index."""
    return f"{QUARANTINE}{shard:04d}/{index:016d}.json"


def parse_quarantine(name: str) -> tuple[int, int] | None:
    """The shard and index of the entry whose raw bytes have this name, or None where it is not such a name."""
    match = _QUARANTINED.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def witness(key_id: str) -> str:
    """The witness whose key has this id (8 hex digits)."""
    return f"{WITNESSES}{key_id}.json"


def witnessed_prefix(shard: int) -> str:
    """The prefix under which the cosigned checkpoints of a shard lie."""
    return f"{WITNESSED}{shard:04d}/"


def witnessed(shard: int, size: int, key_id: str) -> str:
    """The checkpoint of this size that the witness with this key id (8 hex digits) has cosigned."""
    return f"{WITNESSED}{shard:04d}/{size:016d}-{key_id}.note"


def parse_witnessed(name: str) -> WitnessedName | None:
    """What the name of a cosigned checkpoint says, or None where it is not such a name."""
    match = _WITNESSED.fullmatch(name)
    return WitnessedName(int(match[1]), int(match[2]), match[3]) if match else None


def token(token_id: str) -> str:
    """What is kept of the API token with this id (16 hex digits)."""
    return f"{TOKENS}{token_id}.json"


def token_revocation(token_id: str) -> str:
    """What revokes the API token with this id."""
    return f"{TOKENS}{token_id}.revoked.json"


def parse_token(name: str) -> TokenName | None:
    """What the name of a token's object says, or None where it is not such a name."""
    match = _TOKEN.fullmatch(name)
    return TokenName(match[1], match[2] is not None) if match else None
