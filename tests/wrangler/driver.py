"""Runs a real wrangler against an API, command by command, in a home and an environment of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.wrangler.projects import Project

__all__ = ["Driver", "Ran"]

_TIMEOUT_S: Final = 100
_UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PRINTED_ID: Final = re.compile(rf"^(?:Current Deployment|Current Version|Worker Version) ID: *({_UUID})", re.MULTILINE)
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DURATIONS: Final = re.compile(r"\(\d+\.\d+ sec\)")


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has run."""

    name: str
    arguments: tuple[str, ...]
    exit_code: int
    output: str
    """What it printed, on both streams, without escape sequences, durations and the project's own path."""

    @property
    def id(self) -> str:
        """The id that it printed last as the current deployment's or version's."""
        found = _PRINTED_ID.findall(self.output)
        assert found, self.output
        return str(found[-1])


class Driver:
    """One wrangler, one API, one account."""

    def __init__(
        self,
        *,
        version: str,
        program: Path,
        directory: Path,
        url: str,
        token: str,
        account: str,
        began: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Nothing runs yet.

        Args:
            version: of the wrangler.
            program: where it is.
            directory: empty; projects and the wrangler's home are made in it.
            url: of the API, without a slash at its end.
            token: sent as bearer.
            account: whose scripts it works on.
            began: told the name of each step before it runs.
        """
        self.version = version
        self.major = int(version.partition(".")[0])
        self.account = account
        self.ran: list[Ran] = []
        self._program = program
        self._directory = directory
        self._began = began
        node = shutil.which("node")
        assert node is not None, "node is missing"
        self._environment = {
            "PATH": os.pathsep.join([str(Path(node).parent), os.defpath]),
            "HOME": str(directory / "home"),
            "XDG_CONFIG_HOME": str(directory / "home" / ".config"),
            "LANG": "C.UTF-8",
            "CI": "1",
            "NO_COLOR": "1",
            "FORCE_COLOR": "0",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_HIDE_BANNER": "true",
            "DO_NOT_TRACK": "1",
            "CLOUDFLARE_API_BASE_URL": url,
            "CLOUDFLARE_API_TOKEN": token,
            "CLOUDFLARE_ACCOUNT_ID": account,
        }
        (directory / "home").mkdir(parents=True, exist_ok=True)

    def project(self, name: str, worker: str, main: str | None = "index.js", /, **settings: object) -> Project:
        """A new project of this version, named `name`, made of one of the Workers beside this file."""
        return Project(self._directory / name, worker, self.major, {"name": name, "main": main, **settings})

    def run(
        self, name: str, project: Project, *arguments: str, given: str = "", fails: bool = False, member: bool = False
    ) -> Ran:
        """Run one command in a project.

        Args:
            name: of the step.
            given: on standard input.
            fails: whether it has to fail; any other end is an error.
            member: without naming the account, so that it is looked for.
        """
        self._began(name)
        environment = dict(self._environment)
        if member:
            del environment["CLOUDFLARE_ACCOUNT_ID"]
        done = subprocess.run(
            [self._program, *arguments],
            cwd=project.directory,
            env=environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=_TIMEOUT_S,
            check=False,
        )
        output = self._cleaned(done.stdout)
        self.ran.append(Ran(name=name, arguments=arguments, exit_code=done.returncode, output=output))
        assert (done.returncode != 0) == fails, f"{name} ended with {done.returncode}:\n{output}"
        return self.ran[-1]

    def _cleaned(self, output: str) -> str:
        text = _ESCAPES.sub("", output.replace("\r\n", "\n"))
        text = _DURATIONS.sub("(<t> sec)", text.replace(str(self._directory), "<folder>"))
        return "\n".join(line.rstrip() for line in text.splitlines())

    def named(self, name: str) -> Ran:
        """The step of that name."""
        return next(ran for ran in self.ran if ran.name == name)
