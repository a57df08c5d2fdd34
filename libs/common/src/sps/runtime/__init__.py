"""The plumbing that must be right once: clock, database, outbox, follower, HTTP, life-cycle, logs."""
