"""Every setting that flags, environment and file have in common: name, type, limits, default. Pure."""

from typing import Any, Final

from ledger.config.apisettings import API
from ledger.config.setting import Kind, Setting

__all__ = ["CATALOG", "SECTIONS", "find"]


SECTIONS: Final = {
    "": "where the ledger is, how answers are printed",
    "broker": "the Kafka cluster: for all commands that talk to it, but those with a broker of their own (up, demo)",
    "worker": "ledger worker and ledger up",
    "api": "ledger serve",
}
"""The tables of the file, and what they are about."""

_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


def _general(name: str, kind: Kind, help: str, **more: Any) -> Setting:
    return Setting(name=name, section="", kind=kind, help=help, **more)


def _broker(name: str, kind: Kind, help: str, **more: Any) -> Setting:
    return Setting(name=name, section="broker", kind=kind, help=help, **more)


def _worker(name: str, kind: Kind, help: str, **more: Any) -> Setting:
    return Setting(name=name, section="worker", kind=kind, help=help, **more)


CATALOG: Final = (
    _general(
        "ledger",
        Kind.path,
        "the ledger's directory, or an object store's URL",
        option="--ledger",
        env="LEDGER_DIR",
        example='"./audit"',
    ),
    _general("keys", Kind.path, "its keys, where they are not in keys/ below it", option="--keys", example='"./keys"'),
    _general(
        "format",
        Kind.choice,
        "how answers are printed",
        option="--format",
        default="table",
        choices=("table", "json", "jsonl", "csv"),
    ),
    _broker(
        "bootstrap",
        Kind.text,
        "HOST:PORT of the broker, several with commas between",
        option="--bootstrap",
        example='"kafka-1:9093,kafka-2:9093"',
    ),
    _broker(
        "topic",
        Kind.text,
        "the topic that `init` makes a ledger of, and `publish` sends to where it is given no ledger",
        option="--topic",
        default="ledger.changes",
    ),
    _broker("client_id", Kind.text, "the name under which the broker logs and limits us", default="ledger"),
    _broker("security_protocol", Kind.choice, "what the broker's port speaks", default="PLAINTEXT", choices=_PROTOCOLS),
    _broker("sasl_mechanism", Kind.choice, "how we say who we are", choices=_MECHANISMS, example='"SCRAM-SHA-512"'),
    _broker("sasl_username", Kind.text, "the user, for PLAIN and SCRAM", example='"audit"'),
    _broker("sasl_password", Kind.secret, "the password; better in a file of its own, or in the environment"),
    _broker(
        "sasl_password_file", Kind.path, "a file that holds the password and nothing else", example='"kafka.password"'
    ),
    _broker("sasl_token_file", Kind.path, "a file with the token for OAUTHBEARER, read anew for each connection"),
    _broker("sasl_token_command", Kind.command, "a command that prints the token, run again before it ends; no shell"),
    _broker(
        "tls_ca_file", Kind.path, "certificates that are trusted (PEM); default: the system's", example='"kafka-ca.pem"'
    ),
    _broker("tls_cert_file", Kind.path, "our own certificate (PEM), where the broker wants one"),
    _broker("tls_key_file", Kind.path, "its key, where it is not in the same file"),
    _broker("tls_key_password", Kind.secret, "the password of the key"),
    _broker("tls_key_password_file", Kind.path, "a file that holds it and nothing else"),
    _broker(
        "tls_check_hostname",
        Kind.flag,
        "whether the broker's certificate must name its host; its signature is checked always",
        default=True,
    ),
    _worker("group", Kind.text, "the consumer group; default: ledger-NAME of the ledger", option="--group"),
    _worker("cache", Kind.path, "directory for snapshots; default: cache/ in a local ledger, none in an object store"),
    _worker(
        "batch_records",
        Kind.integer,
        "a batch is committed when it holds this many records,",
        option="--batch-records",
        default=1000,
        minimum=1,
    ),
    _worker("batch_bytes", Kind.integer, "or this many bytes,", option="--batch-bytes", default=1 << 20, minimum=1),
    _worker(
        "batch_age_ms",
        Kind.integer,
        "or when its first record has waited this many milliseconds",
        option="--batch-age-ms",
        default=100,
        minimum=1,
    ),
    _worker(
        "queued_fetches",
        Kind.integer,
        "fetched record batches of a partition that wait in memory, at most",
        default=8,
        minimum=1,
    ),
    _worker(
        "until_idle_s",
        Kind.number,
        "stop after so many seconds without a record",
        option="--until-idle",
        minimum=0.1,
        example="60",
    ),
    _worker(
        "session_timeout_s",
        Kind.number,
        "seconds after which the group gives a silent worker's partitions to others",
        option="--session-timeout",
        default=10.0,
        minimum=1,
    ),
    _worker("heartbeat_s", Kind.number, "seconds between heartbeats", default=2.0, minimum=0.1),
    _worker(
        "rebalance_timeout_s",
        Kind.number,
        "seconds the group waits for a worker to finish what it has when partitions move",
        default=60.0,
        minimum=1,
    ),
    _worker("commit_interval_s", Kind.number, "seconds between commits of offsets", default=1.0, minimum=0.05),
    _worker(
        "topic_check_s",
        Kind.number,
        "seconds between an idle worker's looks at its topic's id",
        default=2.0,
        minimum=0.1,
    ),
    _worker(
        "people_check_s",
        Kind.number,
        "seconds between looks whether people whose keys it remembers were erased",
        option="--people-check",
        default=60.0,
        minimum=0.1,
    ),
    _worker(
        "compact_entries",
        Kind.integer,
        "entries of a shard that are compacted together, in the background; 0: never,",
        option="--compact-entries",
        default=200_000,
        minimum=0,
    ),
    _worker(
        "compact_age_s",
        Kind.number,
        "when they were recorded at least so many seconds ago",
        option="--compact-age",
        default=3600.0,
        minimum=0,
    ),
    _worker(
        "compact_check_s",
        Kind.number,
        "seconds between looks for what can be compacted",
        default=60.0,
        minimum=0.1,
    ),
    _worker(
        "retries",
        Kind.integer,
        "tries of a store that fails, after the first, before the worker stops,",
        default=5,
        minimum=0,
    ),
    _worker(
        "retry_pause_s",
        Kind.number,
        "waiting so many seconds at first, twice as long each time",
        default=0.2,
        minimum=0.01,
    ),
    _worker(
        "slow_step_s",
        Kind.number,
        "a fold or commit that takes longer is said in the log and makes /healthz answer 503;",
        option="--slow-step",
        default=10.0,
        minimum=0.1,
    ),
    _worker(
        "hung_step_s",
        Kind.number,
        "one that takes longer than this stops the worker",
        option="--hung-step",
        default=120.0,
        minimum=0.1,
    ),
    _worker(
        "stop_timeout_s",
        Kind.number,
        "seconds to finish when told to stop; what is not committed then is given up",
        option="--stop-timeout",
        default=15.0,
        minimum=0.1,
    ),
    _worker(
        "metrics_port",
        Kind.integer,
        "where metrics and health are served; 0 takes a free port",
        option="--metrics-port",
        minimum=0,
        example="9464",
    ),
    _worker(
        "metrics_host",
        Kind.text,
        "the address of that port; nothing protects it",
        option="--metrics-host",
        default="127.0.0.1",
    ),
    _worker(
        "lag_check_s",
        Kind.number,
        "seconds between questions to the broker where partitions end, if metrics are served",
        default=5.0,
        minimum=0.1,
    ),
    _worker(
        "log_format",
        Kind.choice,
        "how the own lines of a worker or server are written; auto is text on a terminal and JSON elsewhere",
        option="--log-format",
        default="auto",
        choices=("auto", "text", "json"),
    ),
    _worker(
        "log_level",
        Kind.choice,
        "what is said at least",
        option="--log-level",
        default="info",
        choices=("info", "warning", "error"),
    ),
    _worker(
        "summary_s",
        Kind.number,
        "seconds between summaries of what was done, if anything was",
        option="--summary",
        default=60.0,
        minimum=0.1,
    ),
    *API,
)
"""All settings, in the order in which they are shown."""

_BY_NAME: Final = {setting.name: setting for setting in CATALOG}


def find(name: str) -> Setting | None:
    """The setting of this name."""
    return _BY_NAME.get(name)
