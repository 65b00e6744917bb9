"""Play the scenes with each real wrangler, and keep what it sent and printed.

`python -m tests.wrangler.record` writes the fixtures anew, from the stand-in. With `--version` and `--scene` only some of
them are played; `--url` and `--token` play them against a real API, and `--output` says where the recordings go.
"""

import argparse
import tempfile
from pathlib import Path

from tests.wrangler.driver import Driver
from tests.wrangler.recording import FIXTURES, Step, write
from tests.wrangler.scenes import SCENES, play
from tests.wrangler.serving import Answerer, forwarding, recorder, standing_in
from tests.wrangler.tools import VERSIONS, program

__all__ = ["main", "record"]


def record(
    answer: Answerer, version: str, scenes: list[str], directory: Path, *, token: str, account: str
) -> list[Step]:
    """The steps of these scenes, or of all that the version can play, each with what it sent.

    Args:
        answer: who answers the wrangler.
        version: of the wrangler; it is installed.
        scenes: their names, all where there are none.
        directory: empty, for projects.
        token: what the wrangler is told.
        account: likewise.

    Raises:
        AssertionError: a command ended otherwise than it has to.
    """
    with recorder(answer) as kept:
        steps: list[Step] = []

        def finish() -> None:
            if driver.ran:
                ran = driver.ran[-1]
                exchanges = kept.taken()
                arguments = list(ran.arguments)
                steps.append(
                    Step(
                        name=ran.name,
                        arguments=arguments,
                        exit_code=ran.exit_code,
                        output=ran.output,
                        exchanges=exchanges,
                    )
                )

        driver = Driver(
            version=version,
            program=program(version),
            directory=directory,
            url=kept.url,
            token=token,
            account=account,
            began=lambda _: finish(),
        )
        play(driver, *scenes)
        finish()
    return steps


def main() -> None:
    """Record what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.wrangler.record", description=__doc__)
    parser.add_argument("--version", action="append", choices=VERSIONS)
    parser.add_argument("--scene", action="append", choices=list(SCENES), default=[])
    parser.add_argument("--url", help="an API to play against, and record, in place of the stand-in")
    parser.add_argument("--token", default="test-token")
    parser.add_argument("--account", default="acme")
    parser.add_argument("--output", type=Path, default=FIXTURES)
    asked = parser.parse_args()
    for version in asked.version or VERSIONS:
        answer = forwarding(asked.url) if asked.url else standing_in()
        with tempfile.TemporaryDirectory() as directory:
            steps = record(answer, version, asked.scene, Path(directory), token=asked.token, account=asked.account)
        path = asked.output / f"{version}.jsonl.zst"
        write(path, steps)
        print(f"{version}: {len(steps)} steps, {sum(len(step.exchanges) for step in steps)} requests, {path}")


if __name__ == "__main__":
    main()
