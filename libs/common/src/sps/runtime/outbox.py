"""The outbox of a service: what is to be said to the chain, and the relay that says it.

`TransactionOutbox.add` in the use case's transaction → `BatchRelay` seals, stores and appends → the follower
sees the batch in a block and confirms.
"""

from sps.runtime.outbox_facts import Conflict, OutboxFull, TransactionOutbox
from sps.runtime.outbox_relay import BatchRelay

__all__ = ["BatchRelay", "Conflict", "OutboxFull", "TransactionOutbox"]
