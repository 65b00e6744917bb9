"""The worker: a Faust app that hands whole record batches from Kafka to the ledger's writers."""
