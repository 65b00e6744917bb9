"""A flame graph of the worker taking in the bench's events, every thread of it: where the microseconds go, as a picture.

`make flame` writes docs/flame.svg. A width is a share of the samples in which a thread of the worker held the interpreter or was at work
in C (idle threads are left out), so it is a share of CPU time and not an amount: amounts are `make bench`'s.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.brokers import PARTITIONS, start_broker
from bench.load import Load
from bench.workers import ROOT, LogWatcher, WorkerProcess

__all__ = ["draw"]

_TIMEOUT_S: Final = 900.0
_RATE: Final = 250
"""Samples a second."""
_SKIPPED: Final = 0.1
"""Of the events, before the sampling begins: while the worker starts and makes its keys."""


def draw(events: int, broker_name: str, target: Path) -> None:
    """Let a worker take in so many events and draw what it does; needs py-spy (`pip install py-spy`) and the right to trace children.

    Raises:
        RuntimeError: py-spy is missing or failed, or the worker ended.
    """
    with tempfile.TemporaryDirectory(prefix="ledger-flame-") as work, start_broker(broker_name, Path(work)) as broker:
        load = Load()
        with broker.topic() as topic:
            broker.fill(topic, load.events(events), load.partitions(events, PARTITIONS))
            with WorkerProcess(broker.bootstrap, topic, Path(work) / "worker") as worker:
                watcher = LogWatcher(worker.root)
                _until(int(events * _SKIPPED), watcher, worker)
                spy = _spy(worker.pids[0], target)
                try:
                    _until(events, watcher, worker)
                finally:
                    worker.stop()
                if spy.wait(_TIMEOUT_S) != 0:
                    raise RuntimeError(f"py-spy ended with {spy.returncode}")
    target.write_text(_without_paths(target.read_text()))


def _until(entries: int, watcher: LogWatcher, worker: WorkerProcess) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while watcher.size < entries:
        watcher.look()
        worker.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{watcher.size} of {entries} entries after {_TIMEOUT_S:g} s")
        time.sleep(0.05)


def _spy(pid: int, target: Path) -> "subprocess.Popen[bytes]":
    options = ["--rate", str(_RATE), "--threads", "--function", "--duration", "unlimited", "--nonblocking"]
    try:
        return subprocess.Popen(["py-spy", "record", "--pid", str(pid), *options, "--output", str(target)])
    except FileNotFoundError as error:
        raise RuntimeError("there is no py-spy on the PATH: pip install py-spy") from error


def _without_paths(svg: str) -> str:
    """The picture without the places where this machine keeps its files."""
    svg = re.sub(r"[^()<>\"]*/site-packages/", "", svg.replace(f"{ROOT}/", ""))
    return re.sub(r"[^()<>\"]*/lib/python3\.\d+/", "", svg)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--broker", default="embedded", help="embedded, jars or HOST:PORT, as of `python -m bench`")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "flame.svg")
    arguments = parser.parse_args()
    try:
        draw(arguments.events, arguments.broker, arguments.output)
    except (RuntimeError, TimeoutError) as error:
        sys.exit(str(error))
