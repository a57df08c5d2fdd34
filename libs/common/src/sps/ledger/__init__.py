"""The ledger: chart of accounts, the posting table, FX arithmetic. Pure; every journal is balanced."""
