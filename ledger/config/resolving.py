"""Which value of a setting counts: flag, then environment, then file, then default."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.broker.cluster import Cluster, Mechanism, Protocol, Secret
from ledger.config.catalog import CATALOG, find
from ledger.config.files import FileValue, found_file, is_open_to_others, read_file, read_secret
from ledger.config.setting import Setting
from ledger.config.values import from_text, from_value, unknown
from ledger.errors import UsageError

__all__ = ["Configuration", "Effective", "load", "stray_variables"]

_RANKS: Final = ("flag", "environment", "file", "default")
_OTHER_VARIABLES: Final = ("LEDGER_CONFIG", "LEDGER_DEBUG", "LEDGER_REQUIRE")
_SECRETS: Final = ("sasl_password", "tls_key_password")


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a setting that counts."""

    setting: Setting
    value: Any
    """None where there is none."""
    source: str
    """flag, environment, file or default."""
    origin: str
    """The flag, the variable, or the file and line; empty for a default."""

    @property
    def shown(self) -> Any:
        """The value as it may be shown to anybody."""
        return "********" if self.setting.is_secret and self.value is not None else self.value


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """All settings with the values that count."""

    file: Path | None
    """The settings file that was read."""
    in_file: frozenset[str]
    """The names of all settings in it, also of those that count for nothing."""
    values: dict[str, Effective]
    """By name, of all settings of the catalog, in its order."""

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def origin(self, name: str) -> str:
        """Where a value is from, as errors say it."""
        return self.values[name].origin or "default"

    def given(self) -> dict[str, Any]:
        """The values that environment or file give."""
        return {name: found.value for name, found in self.values.items() if found.source in {"environment", "file"}}

    def cluster(self, bootstrap: str | None = None) -> Cluster:
        """What clients are built from.

        Args:
            bootstrap: where it was asked for by an option of its own.

        Raises:
            UsageError: `bad_setting`, `bad_bootstrap`, `no_bootstrap`.
        """
        where = bootstrap or self["bootstrap"]
        if where is None:
            raise UsageError("no_bootstrap", "which broker?", "give --bootstrap HOST:PORT (LEDGER_BOOTSTRAP)")
        mechanism = self["sasl_mechanism"]
        cluster = Cluster(
            bootstrap=where,
            client_id=self["client_id"],
            security_protocol=Protocol(self["security_protocol"]),
            sasl_mechanism=None if mechanism is None else Mechanism(mechanism),
            sasl_username=self["sasl_username"],
            sasl_password=self._secret("sasl_password"),
            sasl_token_file=self["sasl_token_file"],
            sasl_token_command=self["sasl_token_command"],
            tls_ca_file=self["tls_ca_file"],
            tls_cert_file=self["tls_cert_file"],
            tls_key_file=self["tls_key_file"],
            tls_key_password=self._secret("tls_key_password"),
            tls_check_hostname=self["tls_check_hostname"],
        )
        cluster.check()
        return cluster

    def warnings(self) -> list[str]:
        """Files with a secret in them that others can read."""
        holding = {self.file for name in _SECRETS if name in self.in_file}
        holding |= {Path(self[f"{name}_file"]) for name in _SECRETS if self[f"{name}_file"] is not None}
        return [
            f"{path} holds a password, and others can read it: chmod 600 {path}"
            for path in sorted(path for path in holding if path is not None)
            if is_open_to_others(path)
        ]

    def _secret(self, name: str) -> Secret | None:
        """A secret, or what is in the file that is named instead: whichever of the two was said at the higher place."""
        direct, in_file = self.values[name], self.values[f"{name}_file"]
        if direct.value is None and in_file.value is None:
            return None
        if direct.source == in_file.source:
            raise UsageError(
                "bad_setting", f"{direct.origin} and {in_file.origin} both give {name}", "leave one of them out"
            )
        if _RANKS.index(direct.source) < _RANKS.index(in_file.source):
            return Secret(direct.value)
        return Secret(read_secret(in_file.value, in_file.setting.name, in_file.origin))


def load(
    environ: Mapping[str, str],
    *,
    file: str | None = None,
    flags: Mapping[str, Any] | None = None,
    pairs: Iterable[str] = (),
) -> Configuration:
    """Gather all settings.

    Args:
        environ: the environment; a variable that is empty counts as absent.
        file: the settings file that is asked for; else `LEDGER_CONFIG`, else the user's.
        flags: values of options of their own, by the setting's name; None where not given.
        pairs: `NAME=VALUE` of `--set`.

    Raises:
        UsageError: `bad_config`, `bad_setting`, `unknown_setting`, `secret_in_arguments`.
    """
    path = found_file(file, environ)
    from_file = {} if path is None else read_file(path)
    said: dict[str, tuple[Any, str]] = {}
    for pair in pairs:
        named, text = _pair(pair)
        said[named.name] = (from_text(named, text, "--set"), f"--set {named.name}")
    for setting in CATALOG:
        value = (flags or {}).get(setting.name)
        if value is not None:
            option = setting.option or f"--{setting.name}"
            said[setting.name] = (from_value(setting, value, option), option)
    return Configuration(
        file=path,
        in_file=frozenset(from_file),
        values={setting.name: _effective(setting, said, environ, from_file) for setting in CATALOG},
    )


def stray_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and are none: nothing reads them, and whoever set them believes that something does."""
    known = {setting.variable for setting in CATALOG}.union(_OTHER_VARIABLES)
    return sorted(name for name in environ if name.startswith("LEDGER_") and name not in known)


def _effective(
    setting: Setting,
    said: Mapping[str, tuple[Any, str]],
    environ: Mapping[str, str],
    from_file: Mapping[str, FileValue],
) -> Effective:
    name, variable = setting.name, setting.variable
    if name in said:
        value, origin = said[name]
        return Effective(setting=setting, value=value, source="flag", origin=origin)
    if environ.get(variable):
        value = from_text(setting, environ[variable], variable)
        return Effective(setting=setting, value=value, source="environment", origin=variable)
    if name in from_file:
        return Effective(setting=setting, value=from_file[name].value, source="file", origin=from_file[name].origin)
    return Effective(setting=setting, value=setting.default, source="default", origin="")


def _pair(pair: str) -> tuple[Setting, str]:
    name, equals, text = pair.partition("=")
    name = name.strip()
    setting = find(name)
    if setting is None:
        raise unknown(name, "", "--set")
    if setting.is_secret:
        raise UsageError(
            "secret_in_arguments",
            f"--set {name}: everybody on this machine can read the arguments of a process",
            f"give {name}_file, the variable {setting.variable}, or the settings file",
        )
    if not equals:
        raise UsageError("bad_setting", f"--set {name}: no value", "--set NAME=VALUE")
    return setting, text
