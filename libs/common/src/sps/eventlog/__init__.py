"""The event log: port, topics, the adapters for a file and for Kafka, and an in-memory fake."""
