"""The numbers and names a replica is built with. All times in milliseconds of integer type."""

from typing import Final

from msgspec import Struct

from sps.chain.committee import Committee
from sps.chain.genesis import Parameters

VIEWS_WINDOW: Final = 64
"""Votes and proposals are kept for views from current - window to current + window."""
UNORDERED_PER_PRODUCER_MAX: Final = 64
"""Batches of one producer known beyond its final cursor; further ones wait in the shell's store."""
NULLIFICATIONS_PER_PROPOSAL_MAX: Final = 4
VOTES_PER_MESSAGE_MAX: Final = 64
CERTIFICATES_PER_MESSAGE_MAX: Final = 16
CERTIFICATES_PER_ANSWER_MAX: Final = 4 * CERTIFICATES_PER_MESSAGE_MAX
PROPOSALS_PER_ANSWER_MAX: Final = 4
VIEWS_PER_REQUEST_MAX: Final = 1_024
BATCHES_PER_REQUEST_MAX: Final = 64
BLOCKS_PER_REQUEST_MAX: Final = 256
HEADERS_KEPT_MAX: Final = 256
"""Final headers kept in memory and handed over at the start."""
PUBLICATIONS_PENDING_MAX: Final = 256
BLOCKS_PER_VIEW_MAX: Final = 2
"""Proposals of one view kept: an equivocating leader gets no more."""
ROUNDS_MAX: Final = 4_096
"""Views kept above the last final one; beyond, those below the highest notarized view go."""
BACK_OFF_STEPS_MAX: Final = 64
PUBLISH_RANK_MS: Final = 200
FETCH_DELAY_MS: Final = 50
"""What is missing may be under way: ask for it only after this."""


class ReplicaConfig(Struct, frozen=True):
    """One replica: seat `index` of the committee. `order` comes from `sps.chain.committee.leader_order`.

    An observer (`voting` False) follows and proves, and signs nothing.
    """

    chain_id: bytes
    committee: Committee
    order: tuple[int, ...]
    index: int
    parameters: Parameters
    genesis_time_ms: int = 0
    voting: bool = True
