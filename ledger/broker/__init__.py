"""The broker's side of the ledger: a broker for one machine, the topic, and sending change events to it."""
