"""The services as the doctor knows them: their settings, their seat at the chain, their tables."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

import carrier_gateway.settings
import consensus_node.settings
import contract_api.settings
import payment_gateway.settings
import sandbox.settings
import settlement.settings
from sps.chain.genesis import Role
from sps.runtime.environment import prefix_of
from sps.runtime.settings import ProcessSettings


class Patient(Struct, frozen=True):
    """A service that can be examined. `package`: whose migrations make its tables."""

    name: str
    kind: type[ProcessSettings]
    role: Role | None = None
    package: str = ""


PATIENTS: Final[Mapping[str, Patient]] = {
    patient.name: patient
    for patient in (
        Patient("contract-api", contract_api.settings.Settings, "api", "contract_api"),
        Patient("consensus-node", consensus_node.settings.Settings),
        Patient("carrier-gateway", carrier_gateway.settings.Settings, "carrier", "carrier_gateway"),
        Patient("payment-gateway", payment_gateway.settings.Settings, "payment", "payment_gateway"),
        Patient("settlement", settlement.settings.Settings, "settlement", "settlement"),
        Patient("sandbox", sandbox.settings.Settings, None, "sandbox"),
    )
}


def with_variables(environment: Mapping[str, str]) -> list[str]:
    """The services of which there are variables."""
    names = [name.upper() for name in environment]
    return [
        patient.name
        for patient in PATIENTS.values()
        if any(name.startswith(prefix_of(patient.kind)) for name in names)
    ]


class Known:
    """The settings that could be read, though others are wrong; None for the others."""

    def __init__(self, legible: ProcessSettings, whole: ProcessSettings | None) -> None:
        self._legible = legible
        self.whole = whole
        """All of them, when nothing is wrong."""

    def __getattr__(self, name: str) -> Any:
        """The setting with this name."""
        return getattr(self._legible, name, None)
