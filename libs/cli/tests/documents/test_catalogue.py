"""Building and comparing the documents, and what stands in those of settings, metrics and topics."""

import json

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from sps.eventlog.topics import TOPICS
from sps.runtime.settings import settings_config
from sps.transactions.schemas_export import kinds
from sps_cli.documents import markdown
from sps_cli.documents.asyncapi import asyncapi
from sps_cli.documents.attribute_docs import attribute_docs
from sps_cli.documents.catalogue import DOCUMENTS, differing, write
from sps_cli.documents.configuration import settings_of
from sps_cli.documents.metrics import SERVICES, metrics_of
from sps_cli.main import app

RUN = CliRunner()


class Example(BaseSettings):
    """Settings with everything that can be shown."""

    model_config = settings_config("EXAMPLE_")

    tries: int = Field(default=3, ge=1, le=9)
    """How often."""
    token: SecretStr = SecretStr("s3cr3t")
    """What to
    show."""
    names: tuple[str, ...] = ()


def test_what_was_written_does_not_differ_until_somebody_edits_it(tmp_path):
    docs = tmp_path / "docs"
    assert differing(docs) == list(DOCUMENTS) == write(docs)
    assert differing(docs) == [] == write(docs)
    (docs / "metrics.md").write_text("edited")
    assert differing(docs) == ["metrics.md"]


def test_the_command_builds_and_then_finds_no_difference(tmp_path):
    docs = str(tmp_path / "docs")
    missing = RUN.invoke(app, ["docs", "check", "--folder", docs])
    assert missing.exit_code == 1
    assert all(name in missing.output.replace("\n", "") for name in DOCUMENTS)
    assert RUN.invoke(app, ["docs", "build", "--folder", docs]).exit_code == 0
    assert RUN.invoke(app, ["docs", "check", "--folder", docs]).exit_code == 0


def test_a_setting_is_shown_with_bounds_and_meaning_and_a_secret_is_not_shown():
    tries, token, names = settings_of(Example)
    assert (tries.variable, tries.kind, tries.default, tries.bounds) == (
        "EXAMPLE_TRIES",
        "integer",
        "`3`",
        "≥ 1, ≤ 9",
    )
    assert (tries.meaning, token.meaning, names.meaning) == ("How often.", "What to\nshow.", "")
    assert token.secret
    assert "s3cr3t" not in token.default
    assert (names.kind, names.default) == ("list of text", "none")


def test_the_text_under_an_inherited_attribute_is_found():
    class Child(Example):
        tries: int = 4
        """More often."""

    assert attribute_docs(Child) == {"tries": "More often.", "token": "What to\nshow."}


def test_a_counter_has_its_name_as_it_is_scraped():
    found = {metric.name: metric for metric in metrics_of(SERVICES["contract-api"]())}
    assert found["sps_http_requests_total"].labels == ("method", "route", "code")
    assert found["sps_http_request_duration_seconds"].kind == "histogram"


def references(node):
    """Every `$ref` below a node."""
    if isinstance(node, list):
        return [ref for each in node for ref in references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [ref for each in node.values() for ref in references(each)]


def test_every_reference_in_the_document_of_topics_leads_somewhere():
    document = json.loads(asyncapi())
    for reference in references(document):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_topic_and_every_transaction_stands_in_the_document_of_topics():
    document = json.loads(asyncapi())
    assert set(document["channels"]) == set(TOPICS)
    carried = {
        each["$ref"].rpartition("/")[2] for each in document["components"]["messages"]["batch"]["x-carries"]
    }
    assert carried == set(kinds()) <= set(document["components"]["messages"])
    assert not [word for word in ("$defs", "prefixItems") if f'"{word}"' in asyncapi()]


def test_a_cell_cannot_break_its_table():
    assert (
        markdown.table(("a", "b"), [("x | y", "two\n lines")]).splitlines()[-1] == r"| x \| y | two lines |"
    )
