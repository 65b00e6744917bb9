"""The real wranglers: where they are on this machine, and installing them where somebody asks for that."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.kafka.rig import require

__all__ = ["VERSIONS", "installed", "main", "program", "wanted"]

VERSIONS: Final = ("2.6.2", "2.21.3", "3.114.17", "4.86.0")
"""All of them run on Node 20."""
FOLDER: Final = Path(
    os.environ.get("LEDGER_WRANGLERS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deployment-ledger" / "wranglers"
)
"""Holds `wrangler-VERSION/node_modules/.bin/wrangler`. Read when this is imported: tests hide the user's environment."""
_INSTALL_TIMEOUT_S: Final = 600


def program(version: str) -> Path:
    """Where the program of a version is, if it is there."""
    return FOLDER / f"wrangler-{version}" / "node_modules" / ".bin" / "wrangler"


def installed(version: str) -> bool:
    """Whether a version can be run here."""
    return shutil.which("node") is not None and program(version).exists()


def wanted(version: str) -> Path:
    """The program; skips the test where it is missing, or fails it where LEDGER_REQUIRE names `wrangler`."""
    if not installed(version):
        require("wrangler")
    return program(version)


def install(version: str) -> None:
    """Have npm fetch a version, unless it is there."""
    if installed(version):
        return
    folder = FOLDER / f"wrangler-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private":true}\n')
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", f"wrangler@{version}"],
        cwd=folder,
        check=True,
        timeout=_INSTALL_TIMEOUT_S,
    )


def main() -> None:
    """`python -m tests.wrangler.tools`: install all versions."""
    for version in VERSIONS:
        install(version)
        print(f"{version}: {program(version)}")


if __name__ == "__main__":
    main()
