"""Real servers for tests and for a person who wants to look: Kafka and PostgreSQL without containers."""
