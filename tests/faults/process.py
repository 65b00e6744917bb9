"""`python -m tests.faults.process FAULTS JOURNAL ARGUMENTS...`: `python -m consumers` in which something goes wrong."""

import os
import sys
from pathlib import Path

import msgspec

from consumers.__main__ import main
from tests.faults.points import Fault, install

if __name__ == "__main__":
    install(msgspec.json.decode(sys.argv[1], type=list[Fault]), Path(sys.argv[2]))
    code = main(sys.argv[3:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
