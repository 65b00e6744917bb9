"""A Faust agent that does nothing, message at a time or with `take`: what Faust itself costs.

Its settings are the worker's where they matter, and its values stay bytes: nothing is decoded.
"""

from typing import Any

import faust

from bench.contenders.stopwatch import Stopwatch, read_options


def main() -> None:
    """Consume until the stopwatch ends the process."""
    options = read_options()
    watch = Stopwatch(options)
    app = faust.App(
        options.group,
        broker=f"aiokafka://{options.bootstrap}",
        datadir=options.directory,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
    )
    topic = app.topic(options.topic, key_serializer="raw", value_serializer="raw")

    async def one_at_a_time(stream: Any) -> None:
        async for _ in stream:
            watch.done(1)

    async def many_at_a_time(stream: Any) -> None:
        async for batch in stream.take(options.take, within=1.0):
            watch.done(len(batch))

    app.agent(topic, name="noop")(many_at_a_time if options.take > 1 else one_at_a_time)
    faust.Worker(app, loglevel="CRITICAL", quiet=True, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
