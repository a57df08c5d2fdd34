"""What a decision may read: the state of the chain, never changed from here."""

from collections.abc import Mapping
from typing import Protocol

from sps.escrow.state import Contract, Payin, Payout, Quote, RateSnapshot, Sweep


class FxRules(Protocol):
    """Bounds on reference rates, from the genesis document."""

    @property
    def max_rate_age_ms(self) -> int: ...
    @property
    def max_jump_bp(self) -> int: ...


class ChainView(Protocol):
    """Read-only access to the state; `sps.chain.state.ChainState` is one."""

    @property
    def chain_id(self) -> bytes: ...
    @property
    def approvers(self) -> frozenset[str]:
        """Hex keys of the persons who may approve corrections, from the genesis document."""
        ...

    @property
    def fx(self) -> FxRules: ...
    @property
    def position(self) -> str:
        """`height/index` of the receipt that is being made; names journals for later reversal."""
        ...

    @property
    def contracts(self) -> Mapping[str, Contract]: ...
    @property
    def payouts(self) -> Mapping[str, Payout]: ...
    @property
    def quotes(self) -> Mapping[str, Quote]: ...
    @property
    def tags(self) -> Mapping[str, tuple[str, str]]:
        """Tracking tag to (contract, parcel): used once, for ever (I-20)."""
        ...

    @property
    def payments(self) -> Mapping[str, str]:
        """Payment to the contract it named."""
        ...

    @property
    def orphans(self) -> Mapping[str, Payin]:
        """Payments that no contract took (P10)."""
        ...

    @property
    def sweeps(self) -> Mapping[str, Sweep]: ...
    @property
    def balances(self) -> Mapping[str, int]:
        """Account address to balance; zero is absent."""
        ...

    @property
    def rates(self) -> RateSnapshot | None: ...
