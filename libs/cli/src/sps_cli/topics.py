"""`sps topics`: makes the topics of the one table on a Kafka cluster, and tells where a live one differs.

Exit codes: 0 all is as the table says, 1 something differs, 2 wrong call. Nothing that exists is changed.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Annotated, Any, Final, TypeVar

import typer

DIFFERENT: Final = 1
PASSWORD: Final = "SPS_KAFKA_PASSWORD"  # noqa: S105 the name of a variable
T = TypeVar("T")

topics_app = typer.Typer(no_args_is_help=True, help="The topics of the event log on Kafka.")

EventLog = Annotated[
    str,
    typer.Option(
        envvar="SPS_EVENT_LOG",
        metavar="ADDRESS",
        help="kafka://host:port,host:port?prefix=x.",
        show_default=False,
    ),
]
Tls = Annotated[bool, typer.Option("--tls", envvar="SPS_KAFKA_TLS", help="Talk to the brokers by TLS.")]
CaFile = Annotated[
    str, typer.Option(envvar="SPS_KAFKA_CA_FILE", help="Who signs the brokers' certificates (PEM).")
]
CertificateFile = Annotated[
    str, typer.Option(envvar="SPS_KAFKA_CERTIFICATE_FILE", help="Our own certificate (PEM).")
]
KeyFile = Annotated[str, typer.Option(envvar="SPS_KAFKA_KEY_FILE", help="Its key (PEM).")]
Mechanism = Annotated[
    str,
    typer.Option(envvar="SPS_KAFKA_SASL_MECHANISM", help="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
]
Username = Annotated[
    str,
    typer.Option(envvar="SPS_KAFKA_USERNAME", help=f"The password comes from {PASSWORD}, never from here."),
]


@topics_app.command("apply")
def apply(
    event_log: EventLog,
    replication: Annotated[int, typer.Option(min=1, max=16, help="Copies of each partition.")] = 3,
    tls: Tls = False,
    ca_file: CaFile = "",
    certificate_file: CertificateFile = "",
    key_file: KeyFile = "",
    sasl_mechanism: Mechanism = "",
    username: Username = "",
) -> None:
    """Make the topics that are missing; tell what differs in those that are there."""
    from sps.eventlog import kafka_topics

    security = security_of(tls, ca_file, certificate_file, key_file, sasl_mechanism, username)
    made = _run(kafka_topics.apply(event_log, replication=replication, security=security))
    for name in made:
        print(f"made {name}")
    _tell(_run(kafka_topics.differences(event_log, replication=replication, security=security)))


@topics_app.command("check")
def check(
    event_log: EventLog,
    replication: Annotated[
        int, typer.Option(min=0, max=16, help="Copies that each partition must have; 0: as the address says.")
    ] = 0,
    tls: Tls = False,
    ca_file: CaFile = "",
    certificate_file: CertificateFile = "",
    key_file: KeyFile = "",
    sasl_mechanism: Mechanism = "",
    username: Username = "",
) -> None:
    """Tell what differs; changes nothing."""
    from sps.eventlog import kafka_topics

    security = security_of(tls, ca_file, certificate_file, key_file, sasl_mechanism, username)
    _tell(_run(kafka_topics.differences(event_log, replication=replication or None, security=security)))


def _tell(differences: list[str]) -> None:
    for line in differences:
        print(line)
    if differences:
        raise typer.Exit(DIFFERENT)
    print("the topics are as the table says")


def security_of(
    tls: bool, ca_file: str, certificate_file: str, key_file: str, mechanism: str, username: str
) -> Any:
    """The bounds of our connection to the brokers; the password comes from the environment."""
    from sps.eventlog.kafka_security import KafkaSecurity

    password = os.environ.get(PASSWORD, "") if mechanism else ""
    return KafkaSecurity(tls, ca_file, certificate_file, key_file, mechanism, username, password)


def _run(work: Coroutine[Any, Any, T]) -> T:
    from sps.eventlog.address import BadAddress
    from sps.eventlog.port import LogRefused, LogTrouble
    from sps.runtime.errors import Refusal

    try:
        return asyncio.run(work)
    except BadAddress as refused:
        raise Refusal(refused.code, str(refused)) from refused
    except LogRefused as refused:
        raise Refusal("EVENT_LOG_REFUSED", str(refused)) from refused
    except LogTrouble as trouble:
        raise Refusal("EVENT_LOG_TROUBLE", str(trouble)) from trouble
