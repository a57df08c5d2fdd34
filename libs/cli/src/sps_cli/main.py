"""The command `sps`. Exit codes: 0 as told, 1 not as told or failed, 2 wrong call."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sps.runtime.errors import Refusal
from sps_cli.chain import chain_app
from sps_cli.node.command import node_app
from sps_cli.topics import topics_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Smart Payment Service",
    pretty_exceptions_enable=False,  # they print the locals, and those hold secrets
)
proof_app = typer.Typer(no_args_is_help=True, help="Proof files.")
app.add_typer(proof_app, name="proof")
docs_app = typer.Typer(no_args_is_help=True, help="Documents that follow from the code.")
app.add_typer(docs_app, name="docs")
servers_app = typer.Typer(help="Kafka and PostgreSQL of one's own, without containers.")
app.add_typer(servers_app, name="servers")
app.add_typer(topics_app, name="topics")
tools_app = typer.Typer(no_args_is_help=True, help="Programs of others that the tests of deployment need.")
app.add_typer(tools_app, name="tools")
kubernetes_app = typer.Typer(no_args_is_help=True, help="An installation on Kubernetes.")
app.add_typer(kubernetes_app, name="kubernetes")
app.add_typer(chain_app, name="chain")
app.add_typer(node_app, name="node")

State = Annotated[Path, typer.Option(help="Where everything is kept.")]
Documents = Annotated[Path, typer.Option(file_okay=False, help="The folder of the documents.")]


@app.command()
def up(
    state: State = Path("var"),
    any_ports: Annotated[
        bool, typer.Option("--any-ports", help="Take any free ports at the first start.")
    ] = False,
    kafka: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="A process for each service, over this Kafka.")
    ] = "",
    postgres: Annotated[
        str, typer.Option(metavar="URL", help="Their databases are made on this server.")
    ] = "",
    traces: Annotated[
        str, typer.Option(metavar="URL", help="Send traces to this OpenTelemetry collector (OTLP over HTTP).")
    ] = "",
) -> None:
    """The whole platform with a sandbox of carriers and payment providers: in one process, or on servers."""
    from sps_cli.up import run

    raise typer.Exit(run(state, any_ports=any_ports, kafka=kafka, postgres=postgres, traces=traces))


@app.command()
def demo(
    keep: Annotated[Path | None, typer.Option(help="Keep the state in this folder.")] = None,
) -> None:
    """The story of Alice and Bob, told and checked."""
    from sps_cli.demo import run

    raise typer.Exit(run(keep))


@app.command()
def books(
    state: State = Path("var"),
    journal: Annotated[
        bool, typer.Option("--journal", help="The journal instead of the trial balance.")
    ] = False,
    subject: Annotated[str, typer.Option(help="Only this contract, payout or quote.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Trial balance and journal, from settlement's database."""
    from sps_cli.books import show

    raise typer.Exit(show(state, journal=journal, subject=subject, limit=limit, as_json=as_json))


@proof_app.command("verify")
def proof_verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The proof file.")],
    genesis: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The genesis document you trust.")
    ] = Path("var/genesis.json"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check a proof file offline, with only the genesis."""
    from sps_cli.proof import verify

    raise typer.Exit(verify(file, genesis, as_json=as_json))


@docs_app.command("build")
def docs_build(folder: Documents = Path("docs")) -> None:
    """Write the documents that follow from the code."""
    from sps_cli.documents.command import build

    raise typer.Exit(build(folder))


@docs_app.command("check")
def docs_check(folder: Documents = Path("docs")) -> None:
    """Tell which documents are not what the code says; exit code 1 when there are any."""
    from sps_cli.documents.command import check

    raise typer.Exit(check(folder))


@docs_app.command("sbom")
def docs_sbom(
    lock: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="What pip-compile has pinned.")
    ] = Path("requirements/runtime.txt"),
    out: Annotated[Path, typer.Option(dir_okay=False)] = Path("deploy/images/sbom.cdx.json"),
) -> None:
    """Write the images' bill of materials (CycloneDX) from the lock file."""
    from sps.runtime.monitor import version
    from sps_cli.documents.sbom import sbom

    out.write_text(sbom(lock.read_text(encoding="utf-8"), version()), encoding="utf-8")


@app.command()
def bench(
    out: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path("build/bench.json"),
    only: Annotated[str, typer.Option(help="One part; a name that is none lists them all.")] = "",
    page: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A document whose table of figures is written anew."),
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Only show that every part gives its figures.")
    ] = False,
) -> None:
    """Measure this machine and write the figures."""
    from sps_cli.bench import run

    raise typer.Exit(run(out, only, page, short=short))


@app.command()
def doctor(
    services: Annotated[
        list[str] | None, typer.Argument(help="contract-api, settlement, …; none: those with variables.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say all that is wrong with the services' settings, files and servers before anything starts."""
    from sps_cli.doctor import run

    raise typer.Exit(run(services or (), as_json=as_json))


@servers_app.callback(invoke_without_command=True)
def servers(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(file_okay=False, help="Where their data and logs are kept.")] = Path(
        "var/servers"
    ),
    kafka_port: Annotated[int, typer.Option(min=0, max=65535, help="0: the last one, or any free one.")] = 0,
    postgres_port: Annotated[int, typer.Option(min=0, max=65535, help="0: as above.")] = 0,
) -> None:
    """Start Kafka and PostgreSQL, say where they are, and run them until Ctrl-C."""
    from sps_cli.servers.command import run

    if context.invoked_subcommand is None:
        raise typer.Exit(run(folder, kafka_port, postgres_port))


@servers_app.command("fetch")
def servers_fetch() -> None:
    """Fetch what these servers are made of into the cache, so that no test waits for a download."""
    from sps_cli.servers.command import fetch

    raise typer.Exit(fetch())


@tools_app.command("fetch")
def tools_fetch(
    modules: Annotated[Path, typer.Option(file_okay=False, help="Our own modules of Go.")] = Path(
        "deploy/tools"
    ),
) -> None:
    """Build Helm and an API server of Kubernetes into the cache, fetch operators' kinds; minutes, once."""
    from sps_cli.tools.command import fetch_all

    raise typer.Exit(fetch_all(modules))


@tools_app.command("manifests")
def tools_manifests(
    root: Annotated[Path, typer.Option(file_okay=False, help="The root of the repository.")] = Path(),
) -> None:
    """Render the chart's values files to plain manifests."""
    from sps_cli.tools.manifests import write_manifests

    raise typer.Exit(write_manifests(root))


@kubernetes_app.command("secrets")
def kubernetes_secrets(
    folder: Annotated[
        Path, typer.Argument(file_okay=False, help="The installation's safe; made once, then kept.")
    ],
    network: Annotated[
        str, typer.Option(help="Begin a new chain of this name; none: somebody else's chain.")
    ] = "",
    namespace: Annotated[
        str, typer.Option(help="Where the release will be, for the validators' addresses.")
    ] = "default",
) -> None:
    """Make the Secrets that rendered objects on standard input want, and name those that only you know."""
    from sps_cli.kubernetes.command import run

    raise typer.Exit(run(folder, network, namespace))


@app.command()
def trace(
    subject: Annotated[
        str, typer.Argument(help="A contract's identifier; or a payout's of a trace of its own.")
    ],
) -> None:
    """The identifier of the trace that tells this contract's story, to be looked up where traces are kept."""
    from sps.tracing.context import trace_of

    print(trace_of(subject).hex())


@app.command()
def storm(
    minutes: Annotated[float, typer.Option(min=0.1, max=10_000, help="How long.")] = 5,
    seed: Annotated[int | None, typer.Option(min=0, help="Repeat an earlier storm's faults.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A document whose table of the storm is written anew."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep everything in this new folder.")
    ] = None,
    tellers: Annotated[int, typer.Option(min=1, max=100, help="Stories at the same time.")] = 4,
) -> None:
    """Nine processes on real servers under load; everything is killed; at the end the books are audited."""
    from sps_cli.storm.command import run

    raise typer.Exit(run(minutes, seed, out, folder, tellers))


def main() -> None:
    """Run the command; a refusal says what to do instead of a stack trace."""
    try:
        app()
    except Refusal as refusal:
        print(f"sps: {refusal.message} ({refusal.code})", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
