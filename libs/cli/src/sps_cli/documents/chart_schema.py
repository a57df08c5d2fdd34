"""`values.schema.json` of the chart: what may be said to it, closed at every level that is ours.

`settings` of a component is as closed as the rest: its names, types and bounds are those of the service's own
settings class, less what the chart gives itself and what is secret.
"""

import json
from typing import Any, Final

from pydantic_settings import BaseSettings

from sps.runtime.environment import may_lie_in_a_file
from sps_cli.documents.configuration import SERVICES

Json = dict[str, Any]

COMPONENTS: Final = {
    "contractApi": "contract-api",
    "consensusNode": "consensus-node",
    "carrierGateway": "carrier-gateway",
    "paymentGateway": "payment-gateway",
    "settlement": "settlement",
    "sandbox": "sandbox",
}
"""Keys of the values, and the services."""

GIVEN: Final = frozenset(
    {
        "host",
        "port",
        "monitor_host",
        "monitor_port",
        "log_level",
        "event_log",
        "genesis",
        "key",
        "data",
        "custody_key",
        "observer",
        "peers",
        "public_url",
        "live",
        "open_registration",
        "payment_providers",
        "pay_origins",
        "carriers",
        "alipay_app_id",
        "alipay_seller_id",
        "alipay_public_key",
        "alipay_app_certificate",
        "alipay_root_certificate",
        "merchant_public_key",
        "app_cert",
        "root_cert",
        "trace_endpoint",
        "trace_share",
    }
)
"""Settings that the chart gives itself, from keys of their own."""

_TEXT: Final[Json] = {"type": "string"}
_NAMED: Final[Json] = {"type": "string", "minLength": 1}
_FLAG: Final[Json] = {"type": "boolean"}
_ANY: Final[Json] = {"type": "object"}
_SHOWN: Final = ("title", "description", "default")


def schema() -> str:
    """The file, in JSON."""
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart smart-payment-service",
        "description": "Built by `sps docs build`.",
        **_closed(**_SHARED, **_components(), **{"global": _ANY}),
        "definitions": _definitions(),
    }
    return json.dumps(document, indent=1) + "\n"


def _closed(**properties: Json) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list(items: Json, **bounds: int) -> Json:
    return {"type": "array", "items": items, **bounds}


def _map(values: Json) -> Json:
    return {"type": "object", "additionalProperties": values}


def _one_of(*words: str) -> Json:
    return {"type": "string", "enum": list(words)}


def _number(least: int, most: int) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most}


def _like(pattern: str) -> Json:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _ref(name: str) -> Json:
    return {"$ref": f"#/definitions/{name}"}


# --- what several keys share ---------------------------------------------------------------------


def _definitions() -> Json:
    quantity = {"type": ["string", "number"]}
    shared = {
        "texts": _map(_TEXT),
        "objects": _list(_ANY),
        "resources": _closed(requests=_map(quantity), limits=_map(quantity), claims=_list(_ANY)),
        "disk": _closed(size=quantity, storageClass=_TEXT),
        "image": _closed(repository=_NAMED, digest=_like("(sha256:[0-9a-f]{64})?")),
        "url": _like(r"(https?://[^\s?#]+)?"),
        "host": _like("([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?"),
        "name": _like("([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)?"),
        "cidr": _like("[0-9a-fA-F.:]+/[0-9]{1,3}"),
        "port": _number(1, 65_535),
        "ingress": _closed(
            enabled=_FLAG,
            className=_TEXT,
            annotations=_ref("texts"),
            host=_ref("host"),
            tlsSecret=_ref("name"),
        ),
        "serviceAccount": _closed(create=_FLAG, name=_ref("name"), annotations=_ref("texts")),
        "rules": _closed(extraIngress=_ref("objects"), extraEgress=_ref("objects")),
    }
    return shared | {f"{key}Settings": _settings(SERVICES[service]) for key, service in COMPONENTS.items()}


def _settings(kind: type[BaseSettings]) -> Json:
    """The settings that a person may give in `settings`, with their bounds."""
    document = kind.model_json_schema()
    properties = {
        name: _plain(document["properties"][name], document.get("$defs", {}))
        for name, field in kind.model_fields.items()
        if name not in GIVEN and not name.startswith("kafka_") and not may_lie_in_a_file(field)
    }
    return _closed(**properties)


def _plain(part: Any, named: Json) -> Any:
    """Without what only people read, and with the definitions in their places."""
    if isinstance(part, list):
        return [_plain(each, named) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _plain(named[part["$ref"].rpartition("/")[2]], named)
    kept = {key: value for key, value in part.items() if key not in _SHOWN or isinstance(value, dict)}
    return {key: _plain(value, named) for key, value in kept.items()}


# --- what belongs to everybody -------------------------------------------------------------------

_LABELLED: Final = _closed(enabled=_FLAG, labels=_ref("texts"))
_POOL: Final = _closed(replicas=_number(1, 99), storage=_ref("disk"), resources=_ref("resources"))
_APART: Final = _one_of("required", "preferred", "none")
_SASL: Final = _one_of("", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TLS: Final = _one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_CNPG: Final = _closed(
    clusterName=_ref("name"),
    instances=_number(1, 9),
    synchronousReplicas=_number(0, 8),
    imageName=_TEXT,
    storage=_ref("disk"),
    resources=_ref("resources"),
    parameters=_ref("texts"),
    antiAffinity=_APART,
    scheduledBackup=_closed(enabled=_FLAG, schedule=_NAMED, volumeSnapshotClass=_TEXT),
)
_BROKERS: Final = _closed(
    bootstrapServers=_list(_like(r"[^\s,/?]+:[0-9]{1,5}"), maxItems=32),
    cidrs=_list(_ref("cidr")),
    ports=_list(_ref("port"), minItems=1),
    tls=_closed(enabled=_FLAG, caSecret=_ref("name"), caKey=_NAMED, clientCertificate=_FLAG),
    sasl=_closed(mechanism=_SASL, username=_TEXT),
)
_STRIMZI: Final = _closed(
    clusterName=_ref("name"),
    createCluster=_FLAG,
    version=_TEXT,
    metadataVersion=_TEXT,
    controllers=_POOL,
    brokers=_POOL,
    config=_ANY,
)

_SHARED: Final[Json] = {
    "nameOverride": _ref("name"),
    "fullnameOverride": _ref("name"),
    "commonLabels": _ref("texts"),
    "extraObjects": _list({"type": ["object", "string"]}),
    "listenAddress": _NAMED,
    "logLevel": _one_of("debug", "info", "warning", "error"),
    "preStopSeconds": _number(0, 60),
    "image": _closed(
        registry=_TEXT,
        tag=_TEXT,
        pullPolicy=_one_of("Always", "IfNotPresent", "Never"),
        pullSecrets=_list(_NAMED),
    ),
    "chain": _closed(
        genesis=_closed(existingConfigMap=_ref("name"), key=_NAMED, document=_TEXT),
        peers=_list(_like(r"https?://[^\s?#]+")),
    ),
    "internalToken": _closed(existingSecret=_ref("name")),
    "postgres": _closed(
        mode=_one_of("external", "cnpg"),
        tls=_closed(mode=_TLS, caSecret=_ref("name"), caKey=_NAMED),
        external=_closed(cidrs=_list(_ref("cidr")), port=_ref("port")),
        cnpg=_CNPG,
    ),
    "kafka": _closed(
        mode=_one_of("external", "strimzi"),
        prefix=_like(r"([A-Za-z0-9._-]{0,99}\.)?"),
        replication=_number(1, 16),
        external=_BROKERS,
        strimzi=_STRIMZI,
    ),
    "externalSecrets": _closed(
        enabled=_FLAG,
        storeRef=_closed(kind=_one_of("SecretStore", "ClusterSecretStore"), name=_TEXT),
        remotePrefix=_TEXT,
        refreshInterval=_NAMED,
    ),
    "networkPolicy": _closed(
        enabled=_FLAG,
        dnsTo=_ref("objects"),
        ingressFrom=_ref("objects"),
        monitoringFrom=_ref("objects"),
        internet=_closed(cidrs=_list(_ref("cidr")), **{"except": _list(_ref("cidr"))}),
    ),
    "monitoring": _closed(
        podMonitor=_closed(enabled=_FLAG, interval=_NAMED, labels=_ref("texts")),
        rules=_LABELLED,
        dashboards=_LABELLED,
        traces=_closed(
            endpoint=_ref("url"),
            share={"type": "number", "minimum": 0, "maximum": 1},
            port=_ref("port"),
            to=_ref("objects"),
        ),
    ),
}


# --- the components ------------------------------------------------------------------------------

_ROOM: Final[Json] = {
    "enabled": _FLAG,
    "image": _ref("image"),
    "existingSecret": _ref("name"),
    "env": {**_map(_TEXT), "propertyNames": _like("[A-Za-z_][A-Za-z0-9_]*")},
    "envFrom": _ref("objects"),
    "resources": _ref("resources"),
    "podAnnotations": _ref("texts"),
    "podLabels": _ref("texts"),
    "nodeSelector": _ref("texts"),
    "tolerations": _ref("objects"),
    "affinity": _ANY,
    "topologySpreadConstraints": _ref("objects"),
    "priorityClassName": _TEXT,
    "terminationGracePeriodSeconds": _number(26, 600),
    "extraVolumes": _ref("objects"),
    "extraVolumeMounts": _ref("objects"),
    "serviceAccount": _ref("serviceAccount"),
    "networkPolicy": _ref("rules"),
}
"""What every component has."""
_KAFKA: Final[Json] = {"kafkaUsername": _TEXT}
_PUBLIC: Final[Json] = {"publicUrl": _ref("url"), "ingress": _ref("ingress")}

_OWN: Final[dict[str, Json]] = {
    "contractApi": _PUBLIC
    | _KAFKA
    | {
        "live": _FLAG,
        "openRegistration": _FLAG,
        "paymentProviders": _list(_NAMED),
        "carriers": _list(_NAMED),
        "payOrigins": _list(_like(r"https://[^\s/?#]+")),
    },
    "consensusNode": _KAFKA
    | {
        "replicaCount": _number(1, 100),
        "observer": _FLAG,
        "keySecretPrefix": _ref("name"),
        "antiAffinity": _APART,
        "persistence": _closed(
            size={"type": ["string", "number"]},
            storageClass=_TEXT,
            accessMode=_one_of("ReadWriteOncePod", "ReadWriteOnce"),
        ),
        "pdb": _closed(enabled=_FLAG),
        "publicService": _closed(
            type=_one_of("", "LoadBalancer", "NodePort"),
            annotations=_ref("texts"),
            sourceRanges=_list(_ref("cidr")),
        ),
        "peerCidrs": _list(_ref("cidr")),
        "peerPorts": _list(_ref("port")),
    },
    "carrierGateway": _PUBLIC
    | _KAFKA
    | {
        "dhl": _closed(enabled=_FLAG, previousToken=_FLAG),
        "easypost": _closed(enabled=_FLAG, previousSecret=_FLAG),
    },
    "paymentGateway": _PUBLIC
    | _KAFKA
    | {
        "alipay": _closed(enabled=_FLAG, appId=_TEXT, sellerId=_TEXT, certificates=_FLAG),
        "stripe": _closed(enabled=_FLAG),
    },
    "settlement": _KAFKA,
    "sandbox": _PUBLIC | {"certificates": _FLAG},
}


def _components() -> Json:
    return {key: _closed(**_ROOM, settings=_ref(f"{key}Settings"), **_OWN[key]) for key in COMPONENTS}
