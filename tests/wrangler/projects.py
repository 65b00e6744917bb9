"""Projects as wrangler wants them: sources, and a configuration as TOML for 2.x and as JSON for later ones."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["Project"]

_WORKERS: Final = Path(__file__).parent / "workers"
_DATE: Final = "2024-09-23"
_OLD_DATE: Final = "2022-11-30"
"""Of 2.x, whose runtime was of that time."""


class Project:
    """A folder with a Worker's sources and its configuration."""

    def __init__(self, directory: Path, worker: str, major: int, settings: Mapping[str, object]) -> None:
        """Copy the Worker's sources and write the configuration; settings that are None are left out.

        Args:
            directory: of the project, not there yet.
            worker: which of the folders in `workers/`.
            major: of the wrangler.
            settings: what wrangler's own documentation calls its configuration.
        """
        self.directory = directory
        self._major = major
        shutil.copytree(_WORKERS / worker, directory)
        self._settings: dict[str, Any] = {
            "compatibility_date": _OLD_DATE if major < 3 else _DATE,
            "workers_dev": False,
        }
        self.configure(**settings)

    def configure(self, **settings: object) -> None:
        """Change settings; None removes one."""
        self._settings |= settings
        left = {name: value for name, value in self._settings.items() if value is not None}
        self._settings = left
        if self._major < 3:
            lines = [f"{name} = {_toml(value)}" for name, value in left.items()]
            self.write("wrangler.toml", "\n".join(lines) + "\n")
        else:
            self.write("wrangler.json", json.dumps(left, ensure_ascii=False, indent=1) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a piece of text in a file of the project."""
        path = self.directory / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


def _toml(value: object) -> str:
    """A value as inline TOML."""
    match value:
        case dict():
            return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case _:  # strings, numbers and booleans look as in JSON
            return json.dumps(value, ensure_ascii=False)
