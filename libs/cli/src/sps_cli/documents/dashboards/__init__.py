"""Grafana's dashboards, as values; `sps docs build` writes them to `deploy/observe/dashboards`."""

from typing import Final

from sps_cli.documents.dashboards.api import API
from sps_cli.documents.dashboards.carriers import CARRIERS
from sps_cli.documents.dashboards.consensus import CONSENSUS
from sps_cli.documents.dashboards.event_log import EVENT_LOG
from sps_cli.documents.dashboards.overview import OVERVIEW
from sps_cli.documents.dashboards.payments import PAYMENTS
from sps_cli.documents.dashboards.runtime import RUNTIME
from sps_cli.documents.dashboards.settlement import SETTLEMENT

DASHBOARDS: Final = (OVERVIEW, API, EVENT_LOG, CONSENSUS, PAYMENTS, SETTLEMENT, CARRIERS, RUNTIME)
