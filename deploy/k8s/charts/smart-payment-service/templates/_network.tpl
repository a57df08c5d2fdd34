{{/* Who may come in, and where a component may go. One argument, the component: root, key, fact, values. */}}

{{/* An empty list of peers means everybody to a cluster; here it means nobody, so its rule is left out. */}}
{{- define "sps.ingressRules" -}}
{{- with .root.Values.networkPolicy.monitoringFrom }}
- ports: [{port: monitor, protocol: TCP}]
  from: {{- toYaml . | nindent 4 }}
{{- end }}
- ports: [{port: monitor, protocol: TCP}]
  from:
    - podSelector:
        matchLabels: {{- include "sps.componentSelector" (dict "root" .root "fact" (dict "name" "test")) | nindent 10 }}
{{- if and .fact.path .values.ingress.enabled .root.Values.networkPolicy.ingressFrom }}
- ports: [{port: http, protocol: TCP}]
  from: {{- toYaml .root.Values.networkPolicy.ingressFrom | nindent 4 }}
{{- end }}
{{- $callers := include "sps.callers" . | fromYamlArray }}
{{- if $callers }}
- ports: [{port: http, protocol: TCP}]
  from:
    {{- range $callers }}
    - podSelector:
        matchLabels: {{- include "sps.componentSelector" (dict "root" $.root "fact" (dict "name" .)) | nindent 10 }}
    {{- end }}
{{- end }}
{{- if and (eq .key "consensusNode") .values.publicService.type }}
- ports: [{port: http, protocol: TCP}]
  from:
    {{- range default (list "0.0.0.0/0") .values.publicService.sourceRanges }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
{{- end }}
{{- with .values.networkPolicy.extraIngress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The components that call this one inside the cluster, by their names. */}}
{{- define "sps.callers" -}}
{{- if eq .key "consensusNode" -}}
[consensus-node, contract-api, carrier-gateway, payment-gateway, settlement]
{{- else if or (eq .key "carrierGateway") (eq .key "paymentGateway") -}}
[contract-api]
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- define "sps.egressRules" -}}
{{ include "sps.dnsRule" .root }}
{{- if .fact.kafka }}
{{ include "sps.toKafka" .root }}
{{- if .root.Values.consensusNode.enabled }}
{{ include "sps.toComponent" (dict "root" .root "name" "consensus-node") }}
{{- end }}
{{- end }}
{{- if .fact.database }}
{{ include "sps.toPostgres" .root }}
{{- end }}
{{- if eq .key "contractApi" }}
{{ include "sps.toComponent" (dict "root" .root "name" "carrier-gateway") }}
{{ include "sps.toComponent" (dict "root" .root "name" "payment-gateway") }}
{{- end }}
{{- if and .fact.kafka .root.Values.consensusNode.peerCidrs }}
{{ include "sps.toCidrs" (dict "cidrs" .root.Values.consensusNode.peerCidrs "ports" .root.Values.consensusNode.peerPorts) }}
{{- end }}
{{- with .root.Values.monitoring.traces }}
{{- if and $.fact.kafka .endpoint .to }}
- ports: [{port: {{ .port }}, protocol: TCP}]
  to: {{- toYaml .to | nindent 4 }}
{{- end }}
{{- end }}
{{- if and .fact.outside .root.Values.networkPolicy.internet.cidrs }}
- ports: [{port: 443, protocol: TCP}]
  to:
    {{- $internet := .root.Values.networkPolicy.internet }}
    {{- range $internet.cidrs }}
    - ipBlock:
        cidr: {{ . }}
        {{- if eq . "0.0.0.0/0" }}
        except: {{- toYaml $internet.except | nindent 10 }}
        {{- end }}
    {{- end }}
{{- end }}
{{- with .values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sps.dnsRule" -}}
{{- with .Values.networkPolicy.dnsTo }}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  to: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "sps.toComponent" -}}
- ports: [{port: http, protocol: TCP}]
  to:
    - podSelector:
        matchLabels: {{- include "sps.componentSelector" (dict "root" .root "fact" (dict "name" .name)) | nindent 10 }}
{{- end -}}

{{/* Arguments: cidrs (empty: anywhere), ports. */}}
{{- define "sps.toCidrs" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  {{- end }}
{{- end -}}

{{- define "sps.toKafka" -}}
{{- if eq .Values.kafka.mode "strimzi" -}}
- ports: [{port: 9093, protocol: TCP}]
  to:
    - podSelector:
        matchLabels: {strimzi.io/cluster: {{ include "sps.kafkaCluster" . }}}
{{- else -}}
{{- include "sps.toCidrs" .Values.kafka.external -}}
{{- end -}}
{{- end -}}

{{- define "sps.toPostgres" -}}
{{- if eq .Values.postgres.mode "cnpg" -}}
- ports: [{port: 5432, protocol: TCP}]
  to:
    - podSelector:
        matchLabels: {cnpg.io/cluster: {{ include "sps.postgresCluster" . }}}
{{- else -}}
{{- include "sps.toCidrs" (dict "cidrs" .Values.postgres.external.cidrs "ports" (list .Values.postgres.external.port)) -}}
{{- end -}}
{{- end -}}
