"""The genesis document of a new chain whose validators and services run in one installation."""

import json
from collections.abc import Mapping
from typing import Final

from sps.chain.genesis import Genesis, Member, OpeningFloat, Producer
from sps.signing import Signer
from sps_cli.kubernetes.rendered import Installation
from sps_cli.state_folder import PRODUCERS
from sps_cli.wiring import SANDBOX

PORT: Final = 8080
OPERATOR: Final = "operator"


def new_genesis(
    network: str, namespace: str, found: Installation, seeds: Mapping[str, str], created_ms: int
) -> Genesis:
    """`seeds`: in hex, by the short name of each validator and producer, the operator's among them.

    A validator's address is the name of its pod; for validators elsewhere a person writes another one
    into the document before the first block.
    """
    return Genesis(
        network=network,
        created_ms=created_ms,
        validators=tuple(
            Member(name, _public(seeds[name]), 1, f"http://{pod}.{found.service}.{namespace}:{PORT}")
            for pod in found.validators
            for name in [short_name(found, pod)]
        ),
        producers=tuple(
            Producer(number, name, role, _public(seeds[name]))
            for number, name, role in PRODUCERS
            if name in seeds
        ),
        floats=_floats(found),
    )


def short_name(found: Installation, pod: str) -> str:
    """The name of a validator in the document."""
    return f"consensus-node{pod.removeprefix(found.service)}"


def _public(seed: str) -> str:
    return Signer(bytes.fromhex(seed)).public_key.hex()


def _floats(found: Installation) -> tuple[OpeningFloat, ...]:
    """What the sandbox holds for us at the beginning; at real providers a person has to say it."""
    given = json.loads(found.environment.get(SANDBOX, {}).get("SANDBOX_FLOATS", "[]"))
    return tuple(OpeningFloat(each["provider"], each["currency"], str(each["minor"])) for each in given)
