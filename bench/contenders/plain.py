"""The ledger that one would write in an hour: kafka-python, a chain of SHA-256, an fsync for each poll.

No strict decoding, no fold, no versions, no keys, no tree, no signature, no protection against a second writer.
"""

import hashlib
import json
import os
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from bench.contenders.stopwatch import Stopwatch, read_options


def main() -> None:
    """Consume until the stopwatch ends the process."""
    options = read_options()
    watch = Stopwatch(options)
    consumer = KafkaConsumer(bootstrap_servers=options.bootstrap, enable_auto_commit=False)
    partitions = [
        TopicPartition(options.topic, number) for number in consumer.partitions_for_topic(options.topic) or ()
    ]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    previous = "0" * 64
    with (Path(options.directory) / "chain.ndjson").open("wb") as file:
        while True:
            count = 0
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    entry = {"previous": previous, "offset": record.offset, "event": json.loads(record.value)}
                    line = json.dumps(entry, separators=(",", ":")).encode()
                    previous = hashlib.sha256(line).hexdigest()
                    file.write(line + b"\n")
                    count += 1
            if count:
                file.flush()
                os.fsync(file.fileno())
                watch.done(count)


if __name__ == "__main__":
    main()
