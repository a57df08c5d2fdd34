"""The smart contract: terms, agreement, pay-in, parcel, tranche, payout. Pure; only block time counts."""
