{{/*
What is fixed about each component. `member`: it takes part in the chain without voting. `outside`: it talks to
carriers, providers or the source of rates. `path`: what of it an Ingress shows.
*/}}
{{- define "sps.facts" -}}
contractApi: {name: contract-api, module: contract_api, member: true, kafka: true, database: true, path: /}
consensusNode: {name: consensus-node, module: consensus_node, kafka: true}
carrierGateway: {name: carrier-gateway, module: carrier_gateway, member: true, kafka: true, database: true, outside: true, path: /webhooks}
paymentGateway: {name: payment-gateway, module: payment_gateway, member: true, kafka: true, database: true, outside: true, path: /webhooks}
settlement: {name: settlement, module: settlement, member: true, kafka: true, database: true, outside: true}
sandbox: {name: sandbox, module: sandbox, database: true, outside: true, path: /}
{{- end -}}

{{/* The facts of the components that run, by their keys in the values. */}}
{{- define "sps.enabled" -}}
{{- $found := dict -}}
{{- range $key, $fact := include "sps.facts" . | fromYaml -}}
{{- if (index $.Values $key).enabled -}}
{{- $_ := set $found $key $fact -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* `https://host` of a component that the world reaches; a `publicUrl` counts more. Arguments: root, key. */}}
{{- define "sps.publicUrl" -}}
{{- $values := index .root.Values .key -}}
{{- if $values.publicUrl -}}
{{- $values.publicUrl | trimSuffix "/" -}}
{{- else -}}
{{- printf "https://%s" (required (printf "%s.publicUrl or %s.ingress.host must be given" .key .key) $values.ingress.host) -}}
{{- end -}}
{{- end -}}

{{/* The address of a component inside the cluster. Arguments: root, name. */}}
{{- define "sps.innerUrl" -}}
{{- printf "http://%s-%s:8080" (include "sps.fullname" .root) .name -}}
{{- end -}}

{{- define "sps.eventLog" -}}
{{- $kafka := .Values.kafka -}}
{{- $servers := list (printf "%s-kafka-bootstrap:9093" (include "sps.kafkaCluster" .)) -}}
{{- if eq $kafka.mode "external" -}}
{{- $servers = $kafka.external.bootstrapServers -}}
{{- end -}}
{{- printf "kafka://%s?" (join "," $servers) -}}
{{- with $kafka.prefix }}{{ printf "prefix=%s&" . }}{{ end -}}
{{- printf "replication=%d" (int $kafka.replication) -}}
{{- end -}}

{{/* JSON; an empty list where the genesis document says it. */}}
{{- define "sps.peers" -}}
{{- $peers := .Values.chain.peers -}}
{{- $nodes := .Values.consensusNode -}}
{{- if and (not $peers) $nodes.enabled (gt (int $nodes.replicaCount) 1) -}}
{{- $name := printf "%s-consensus-node" (include "sps.fullname" .) -}}
{{- range $ordinal := until (int $nodes.replicaCount) -}}
{{- $peers = append $peers (printf "http://%s-%d.%s:8080" $name $ordinal $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $peers -}}
{{- end -}}

{{- define "sps.image" -}}
{{- $image := .root.Values.image -}}
{{- $own := .values.image -}}
{{- $name := $own.repository -}}
{{- with $image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $name $own.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Refuses what the cluster cannot hold, in words. Arguments: root, api, key. */}}
{{- define "sps.needs" -}}
{{- if not (.root.Capabilities.APIVersions.Has .api) -}}
{{- fail (printf "%s needs %s, which this cluster does not know: install its operator first (offline: --api-versions %s)" .key .api .api) -}}
{{- end -}}
{{- end -}}
