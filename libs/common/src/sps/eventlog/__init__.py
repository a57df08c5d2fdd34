"""The event log: port, topics, embedded adapter and its in-memory fake."""
