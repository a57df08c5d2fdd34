"""Account data of sellers: kept here in private, named everywhere else by a salted commitment."""

import secrets
from collections.abc import Mapping

from payment_gateway.application.ports import PaymentProvider
from payment_gateway.application.register import Beneficiary, BeneficiaryRegister
from payment_gateway.core.refusal import Refused
from sps.runtime.clock import Clock
from sps.signing import KEY_BYTES, commitment


class Beneficiaries:
    """The use case of registering where a seller is paid."""

    def __init__(
        self, register: BeneficiaryRegister, providers: Mapping[str, PaymentProvider], clock: Clock
    ) -> None:
        self._register = register
        self._providers = providers
        self._clock = clock

    async def register(self, provider_name: str, account: str, name: str) -> str:
        """Store the account; returns the commitment in hex. The same account twice has two of them."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise Refused("UNKNOWN_PROVIDER", f"providers here: {', '.join(sorted(self._providers))}")
        account = provider.check_account(account.strip(), name)
        salt = secrets.token_bytes(KEY_BYTES)
        committed = commitment(salt, f"{provider_name}|{account}|{name}").hex()
        beneficiary = Beneficiary(committed, provider_name, account, name, salt)
        await self._register.keep_beneficiary(beneficiary, self._clock.now_ms())
        return committed
