"""A command as somebody starts it: a new process each time, from its start to its end, what it printed thrown away but for its digest.

A program of its own that imports next to nothing: a child's peak memory counts from before it became another program.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

__all__ = ["main"]


def main() -> None:
    """`python -m bench.querycold --runs N -- COMMAND...`: print the times, the peak memory and the output's SHA-256 as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.querycold")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    times, processor, peaks, sizes, digests = [], [], [], [], set()
    for _ in range(options.runs):
        with tempfile.TemporaryFile() as output:
            started = time.perf_counter()
            child = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=output)
            _, status, used = os.wait4(child.pid, 0)
            times.append(time.perf_counter() - started)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                sys.exit(f"exit code {child.returncode}: {' '.join(options.command)}")
            sizes.append(output.tell())
            processor.append(used.ru_utime + used.ru_stime)
            peaks.append(used.ru_maxrss * 1024)
            output.seek(0)
            digests.add(hashlib.file_digest(output, "sha256").hexdigest())
    if len(digests) > 1:
        sys.exit(f"not the same answer twice: {' '.join(options.command)}")
    measured = {
        "median_s": statistics.median(times),
        "least_s": min(times),
        "cpu_s": statistics.median(processor),
        "peak_bytes": max(peaks),
        "output_bytes": max(sizes),
        "sha256": digests.pop(),
    }
    sys.stdout.write(json.dumps(measured))


if __name__ == "__main__":
    main()
