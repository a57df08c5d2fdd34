"""`sps node`: from a bare machine to a validator or follower of a network (`docs/run-a-node.md`)."""
