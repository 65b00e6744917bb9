"""Which value of a setting counts, what the file refuses, and what is shown of secrets."""

from pathlib import Path
from typing import Any

import pytest

from ledger.broker.cluster import Cluster, Mechanism, Protocol, Secret
from ledger.config.catalog import CATALOG
from ledger.config.resolving import load
from ledger.config.setting import Setting
from ledger.errors import UsageError

FILE = """\
# a comment
ledger = "audit"
format = "json"

[broker]
bootstrap = "kafka:9093"
security_protocol = "sasl_ssl"
sasl_mechanism = "SCRAM-SHA-512"
sasl_username = "audit"
tls_ca_file = "/etc/ca.pem"

[worker]
batch_records = 7
heartbeat_s = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "ledger.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


def _sample(setting: Setting, place: int) -> tuple[Any, str]:
    """A value of a setting, and how it is written in the environment: another one for each place."""
    if setting.choices:
        value: Any = setting.choices[place % len(setting.choices)]
    elif isinstance(setting.default, bool):
        value = place == 1
    elif setting.minimum is not None:
        value = 11 + place
    else:
        value = f"/of-{place}"
    return value, str(value)


@pytest.mark.parametrize("setting", CATALOG, ids=lambda setting: setting.name)
def test_flag_before_environment_before_file_before_default(setting: Setting, tmp_path: Path) -> None:
    """Of every setting there is, one source after the other taken away."""
    in_file, _ = _sample(setting, 0)
    in_environment, text = _sample(setting, 1)
    flagged, _ = _sample(setting, 2)
    path = tmp_path / "ledger.toml"
    written = f'"{in_file}"' if isinstance(in_file, str) else str(in_file).lower()
    path.write_text((f"[{setting.section}]\n" if setting.section else "") + f"{setting.name} = {written}\n")
    environment = {setting.variable: text}
    line = f"{path}:{2 if setting.section else 1}"
    for flags, environ, given, expected in (
        ({setting.name: flagged}, environment, str(path), (flagged, "flag", setting.option or f"--{setting.name}")),
        ({}, environment, str(path), (in_environment, "environment", setting.variable)),
        ({}, {setting.variable: ""}, str(path), (in_file, "file", line)),
        ({}, {"XDG_CONFIG_HOME": str(tmp_path)}, None, (setting.default, "default", "")),
    ):
        found = load(environ, file=given, flags=flags).values[setting.name]
        assert (found.value, found.source, found.origin) == expected


def test_a_pair_is_a_flag(file: Path) -> None:
    """`--set` counts before environment and file."""
    found = load({"LEDGER_SASL_MECHANISM": "OAUTHBEARER"}, file=str(file), pairs=["sasl_mechanism=plain"])
    assert found["sasl_mechanism"] == "PLAIN"
    assert found.values["sasl_mechanism"].origin == "--set sasl_mechanism"


def test_the_file_is_the_one_named_else_that_of_the_environment_else_the_users(file: Path, tmp_path: Path) -> None:
    """None is taken from the current directory."""
    users = tmp_path / "deployment-ledger" / "config.toml"
    users.parent.mkdir()
    users.write_text("")
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load(environ).file == users
    assert load(environ | {"LEDGER_CONFIG": str(file)}).file == file
    assert load(environ | {"LEDGER_CONFIG": "/nowhere"}, file=str(file)).file == file


def test_paths_in_the_file_are_relative_to_it(file: Path) -> None:
    """Those that are absolute, and addresses of object stores, stay as they are."""
    found = load({}, file=str(file))
    assert found["ledger"] == str(file.parent / "audit")
    assert found["tls_ca_file"] == "/etc/ca.pem"
    file.write_text('ledger = "s3://bucket/audit"')
    assert load({}, file=str(file))["ledger"] == "s3://bucket/audit"


@pytest.mark.parametrize(
    ("text", "line", "words", "hint"),
    [
        ("[broker]\nsasl_pasword = 1", 2, "no setting sasl_pasword in [broker]", "did you mean sasl_password?"),
        ("bootstrap = 'a:1'", 1, "no setting bootstrap", "belongs in [broker]"),
        ("[worker]\nledger = 'a'", 2, "no setting ledger in [worker]", "the top of the file"),
        ("[brokr]\nclient_id = 'a'", None, "no setting brokr", "did you mean broker?"),
        ("[worker]\nbatch_records = 'many'", 2, "batch_records: 'many' is not a whole number, 1 or more", ""),
        ("[worker]\nbatch_records = 0", 2, "batch_records: 0 is not", ""),
        ("[worker]\nbatch_records = 1.5", 2, "batch_records: 1.5 is not", ""),
        ("[worker]\nbatch_records = true", 2, "batch_records: True is not", ""),
        ("[worker]\nheartbeat_s = nan", 2, "heartbeat_s: nan is not", ""),
        ("[broker]\ntls_check_hostname = 'no'", 2, "tls_check_hostname: 'no' is not true or false", ""),
        ("[broker]\n\nsecurity_protocol = 'TLS'", 3, "'TLS' is not one of PLAINTEXT, SSL", ""),
        ("[broker]\nclient_id = ''", 2, "client_id: '' is not text", ""),
        ("broker = 1", 1, "no setting broker", ""),
        ("a = [", None, "is not TOML", "--example"),
        ("[worker]\nretries = 1\nretries = 2", None, "is not TOML", ""),
    ],
)
def test_what_the_file_refuses(text: str, line: int | None, words: str, hint: str, file: Path) -> None:
    """With file, line and key, and with what was meant."""
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load({}, file=str(file))
    assert caught.value.message.startswith(str(file) if line is None else f"{file}:{line}: ")
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """One that was asked for, that is: absent, a directory, no text."""
    (tmp_path / "latin").write_bytes(b"# \xe9\n")
    for name in ("absent", ".", "latin"):
        with pytest.raises(UsageError) as caught:
            load({}, file=str(tmp_path / name))
        assert caught.value.code == "bad_config"


@pytest.mark.parametrize(("name", "text"), [("BATCH_RECORDS", "x"), ("HEARTBEAT_S", "inf"), ("RETRIES", "-1")])
def test_a_bad_variable_is_named(name: str, text: str) -> None:
    """The error says which."""
    with pytest.raises(UsageError, match=f"^LEDGER_{name}: {name.lower()}: '?{text}'? is not"):
        load({f"LEDGER_{name}": text, "XDG_CONFIG_HOME": "/nowhere"})


def test_secrets_are_refused_on_the_command_line() -> None:
    """The error does not repeat them."""
    with pytest.raises(UsageError) as caught:
        load({}, pairs=["sasl_password=hunter2"])
    assert caught.value.code == "secret_in_arguments"
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_secret_is_shown_nowhere(file: Path) -> None:
    """Neither where settings are listed nor where what holds it is printed, nor where its type is wrong."""
    found = load({"LEDGER_SASL_PASSWORD": "hunter2"}, file=str(file))
    assert found.values["sasl_password"].shown == "********"
    cluster = found.cluster()
    assert cluster.sasl_password is not None
    assert cluster.sasl_password.reveal() == "hunter2"
    assert "hunter2" not in f"{cluster} {cluster!r} {cluster.sasl_password}"
    file.write_text("[broker]\nsasl_password = 31337\n")
    with pytest.raises(UsageError) as caught:
        load({}, file=str(file))
    assert "31337" not in caught.value.message


def test_of_a_password_and_its_file_the_one_said_higher_up_counts(file: Path, tmp_path: Path) -> None:
    """And both at the same place are a contradiction. The end of the file's line is not part of the password."""
    password = tmp_path / "password"
    password.write_text("of the file \n")
    named = FILE.replace("sasl_username", f'sasl_password_file = "{password.name}"\nsasl_username')
    file.write_text(named)
    assert load({}, file=str(file)).cluster().sasl_password == Secret("of the file ")
    environ = {"LEDGER_SASL_PASSWORD": "of the environment"}
    assert load(environ, file=str(file)).cluster().sasl_password == Secret("of the environment")
    file.write_text(named.replace("sasl_username", 'sasl_password = "x"\nsasl_username'))
    with pytest.raises(UsageError, match="both give sasl_password"):
        load({}, file=str(file)).cluster()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines\n", b"\xff\n"])
def test_a_password_file_without_a_password_is_an_error(content: bytes | None, file: Path, tmp_path: Path) -> None:
    """It is named, with who named it."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"^LEDGER_SASL_PASSWORD_FILE: sasl_password_file: {path}"):
        load({"LEDGER_SASL_PASSWORD_FILE": str(path)}, file=str(file)).cluster()


def test_files_with_a_password_that_others_can_read_are_warned_of(file: Path, tmp_path: Path) -> None:
    """The settings file where the password is in it, and the password's own file."""
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o640)
    file.chmod(0o644)
    found = load({"LEDGER_SASL_PASSWORD_FILE": str(password)}, file=str(file))
    assert [warning.split()[0] for warning in found.warnings()] == [str(password)]
    file.write_text(FILE.replace("sasl_username", 'sasl_password = "x"\nsasl_username'))
    for environ in ({}, {"LEDGER_SASL_PASSWORD": "another that counts"}):
        assert [warning.split()[0] for warning in load(environ, file=str(file)).warnings()] == [str(file)]
    file.chmod(0o600)
    assert load({}, file=str(file)).warnings() == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"security_protocol": Protocol.PLAINTEXT}, "tls_ca_file needs TLS"),
        ({"security_protocol": Protocol.SSL}, "sasl_mechanism needs SASL"),
        ({"sasl_mechanism": None}, "SASL_SSL needs sasl_mechanism"),
        ({"sasl_username": None}, "needs sasl_username"),
        ({"sasl_password": None}, "needs sasl_password"),
        ({"sasl_token_file": "t"}, "sasl_token_file is for sasl_mechanism OAUTHBEARER"),
        ({"sasl_mechanism": Mechanism.OAUTHBEARER}, "sasl_username is of no use"),
        (
            {"sasl_mechanism": Mechanism.OAUTHBEARER, "sasl_username": None, "sasl_password": None},
            "needs sasl_token_file or sasl_token_command",
        ),
        ({"tls_key_file": "k"}, "the client's key needs tls_cert_file"),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(changed: dict[str, Any], words: str) -> None:
    """Nobody is to believe in TLS or a password that is not used."""
    right: dict[str, Any] = {
        "bootstrap": "a:1",
        "security_protocol": Protocol.SASL_SSL,
        "sasl_mechanism": Mechanism.PLAIN,
        "sasl_username": "u",
        "sasl_password": Secret("p"),
        "tls_ca_file": "ca",
    }
    Cluster(**right).check()
    with pytest.raises(UsageError, match=words):
        Cluster(**(right | changed)).check()
