"""The words of `sps node`."""

from pathlib import Path
from typing import Annotated

import typer

from sps_cli.node.folder import USUAL

EVERYWHERE = "0.0.0.0"  # noqa: S104 other nodes must reach it

node_app = typer.Typer(no_args_is_help=True, help="A validator or follower on a machine of its own.")

Folder = Annotated[Path, typer.Option(file_okay=False, help="The folder of the node.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@node_app.command("init")
def init(
    name: Annotated[str, typer.Option(help="The node's name in the genesis document.")],
    url: Annotated[str, typer.Option(help="Where other nodes reach its HTTP port.")],
    folder: Folder = USUAL,
    weight: Annotated[int, typer.Option(min=1, help="Its weight in the committee.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make the node's key; print its public key and its entry for the genesis document."""
    from sps_cli.node.seat import init as make

    raise typer.Exit(make(folder, name, url, weight, as_json=as_json))


@node_app.command("join")
def join(
    genesis: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The genesis document.")],
    chain: Annotated[
        str, typer.Option(help="The chain's name: 64 hex digits that another way has told you.")
    ],
    event_log: Annotated[
        str, typer.Option(envvar="SPS_EVENT_LOG", help="kafka://host:port,host:port?prefix=x.")
    ],
    folder: Folder = USUAL,
    follower: Annotated[bool, typer.Option("--follower", help="Follow and serve, never vote.")] = False,
    host: Annotated[
        str, typer.Option(help="Where other nodes reach it; ::, 0.0.0.0 or one address.")
    ] = EVERYWHERE,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8101,
    monitor_host: Annotated[str, typer.Option(help="Metrics and health; never the public's.")] = "127.0.0.1",
    monitor_port: Annotated[int, typer.Option(min=1, max=65535)] = 9101,
    tls: Annotated[bool, typer.Option("--tls", help="Talk to the brokers by TLS.")] = False,
    ca_file: Annotated[str, typer.Option(help="Who signs the brokers' certificates (PEM).")] = "",
    certificate_file: Annotated[str, typer.Option(help="Our own certificate (PEM).")] = "",
    key_file: Annotated[str, typer.Option(help="Its key (PEM).")] = "",
    sasl_mechanism: Annotated[str, typer.Option(help="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")] = "",
    username: Annotated[str, typer.Option(help="The password comes from SPS_KAFKA_PASSWORD.")] = "",
) -> None:
    """Look at genesis, key, ports, broker, peers, clock and version; write the settings when all is well."""
    from sps_cli.node.joining import Wish
    from sps_cli.node.joining import join as look

    kafka = {
        "KAFKA_TLS": "true" if tls else "",
        "KAFKA_CA_FILE": ca_file,
        "KAFKA_CERTIFICATE_FILE": certificate_file,
        "KAFKA_KEY_FILE": key_file,
        "KAFKA_SASL_MECHANISM": sasl_mechanism,
        "KAFKA_USERNAME": username,
    }
    given = {setting: value for setting, value in kafka.items() if value}
    wish = Wish(genesis, chain, event_log, follower, host, port, monitor_host, monitor_port, given)
    raise typer.Exit(look(folder, wish))


@node_app.command("run")
def run(folder: Folder = USUAL) -> None:
    """Run the node until it is asked to end; systemd calls this."""
    from sps_cli.node.running import run as become

    become(folder)


@node_app.command("status")
def status(folder: Folder = USUAL, as_json: AsJson = False) -> None:
    """How the node stands beside the others; exit code 1 unless it is ready."""
    from sps_cli.node.running import status as tell

    raise typer.Exit(tell(folder, as_json=as_json))
