"""Carriers: who says what about parcels, and who is silent."""

from typing import Final

from sps_cli.documents.dashboards.grafana import Dashboard, Row, busy, rate, show

CARRIERS: Final = Dashboard(
    "sps-carriers",
    "SPS Carriers",
    "Who says what about parcels, and who is silent.",
    (
        Row(
            "What carriers say",
            (
                show(
                    "Messages by outcome",
                    "How each message of a carrier ended.",
                    "ops",
                    (busy("sps_carrier_events_total", "carrier, result"), "{{carrier}} {{result}}"),
                    alerts=("CarrierMessagesNotUnderstood",),
                ),
                show(
                    "Since the newest message",
                    "Of each carrier, since this process began.",
                    "s",
                    ("time() - max by (carrier) (sps_carrier_last_event_timestamp_seconds)", "{{carrier}}"),
                    red=21600,
                    alerts=("CarrierSilent",),
                ),
                show(
                    "Facts given to the chain",
                    "By origin: signed by the carrier, pulled from it, or only pushed.",
                    "ops",
                    (rate("sps_carrier_evidence_total", "carrier, origin"), "{{carrier}} {{origin}}"),
                ),
                show(
                    "Words that we do not know",
                    "Statuses without an entry in the carrier's table.",
                    "short",
                    ("sum by (carrier) (increase(sps_carrier_unknown_words_total[1h]))", "{{carrier}}"),
                    red=1,
                    alerts=("CarrierMessagesNotUnderstood",),
                ),
                show(
                    "Refused by the chain",
                    "Bookings and evidence of ours.",
                    "short",
                    (
                        "sum by (kind, code) (increase(sps_carrier_chain_refused_total[1h])) > 0",
                        "{{kind}} {{code}}",
                    ),
                ),
                show(
                    "Webhooks that wait",
                    "Stored and not handled yet.",
                    "short",
                    ('max by (provider) (sps_webhook_pending{job=~".*carrier.*"})', "{{provider}}"),
                    alerts=("WebhooksWait",),
                ),
            ),
        ),
        Row(
            "What we ask",
            (
                show(
                    "Calls to carriers",
                    "By operation and how they ended.",
                    "reqps",
                    (
                        busy("sps_outbound_requests_total", "target, operation, code"),
                        "{{target}} {{operation}} {{code}}",
                    ),
                    alerts=("CarrierCallsFail",),
                ),
                show(
                    "Parcels that are watched",
                    "Their carrier is asked when it is silent.",
                    "short",
                    ("max by (carrier) (sps_carrier_parcels_watched)", "{{carrier}}"),
                ),
                show(
                    "Late questions",
                    "Parcels about which the carrier should have been asked a quarter of an hour ago.",
                    "short",
                    ("max by (carrier) (sps_carrier_questions_late)", "{{carrier}}"),
                    red=1,
                    alerts=("CarrierCallsFail",),
                ),
            ),
        ),
    ),
)
