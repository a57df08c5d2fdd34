"""`sps chain`: what an operator does with the chain as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from sps_cli.topics import CaFile, CertificateFile, EventLog, KeyFile, Mechanism, Tls, Username, security_of

chain_app = typer.Typer(no_args_is_help=True, help="The chain as a whole.")


@chain_app.callback()
def chain() -> None:
    """Keeps `refill` a word of its own while it is the only one."""


@chain_app.command("refill")
def refill(
    event_log: EventLog,
    genesis: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The genesis document you trust.")
    ],
    validator: Annotated[
        list[str] | None, typer.Option(help="Base URL of a validator; none: those of the genesis document.")
    ] = None,
    tls: Tls = False,
    ca_file: CaFile = "",
    certificate_file: CertificateFile = "",
    key_file: KeyFile = "",
    sasl_mechanism: Mechanism = "",
    username: Username = "",
) -> None:
    """Put final blocks and batches that the event log has lost back on it, from validators' stores."""
    from sps_cli.refill import run

    security = security_of(tls, ca_file, certificate_file, key_file, sasl_mechanism, username)
    raise typer.Exit(run(genesis, event_log, validator or (), security))
