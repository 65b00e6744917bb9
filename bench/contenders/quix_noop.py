"""A Quix Streams app that decodes JSON and does nothing with it."""

import importlib
from typing import Any

from bench.contenders.stopwatch import Stopwatch, read_options


def main() -> None:
    """Consume until the stopwatch ends the process."""
    options = read_options()
    watch = Stopwatch(options)
    quix: Any = importlib.import_module("quixstreams")
    app = quix.Application(
        broker_address=options.bootstrap,
        consumer_group=options.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=options.directory,
        loglevel="CRITICAL",
        consumer_extra_config={"session.timeout.ms": 10_000, "heartbeat.interval.ms": 2_000},
    )
    topic = app.topic(options.topic, key_deserializer="bytes", value_deserializer="json")
    frame = app.dataframe(topic).update(lambda _event: watch.done(1))
    app.run(frame)


if __name__ == "__main__":
    main()
