{{/* A record counts when two brokers hold it, from three copies on (`in_sync_min` of the table of topics). */}}
{{- define "sps.inSync" -}}
{{- ternary 2 1 (ge (int .Values.kafka.replication) 3) -}}
{{- end -}}

{{- define "sps.brokerConfig" -}}
{{- $copies := int .Values.kafka.replication -}}
{{- $inSync := include "sps.inSync" . | int -}}
{{- $config := dict "auto.create.topics.enable" false "default.replication.factor" $copies "min.insync.replicas" $inSync -}}
{{- $_ := set $config "offsets.topic.replication.factor" $copies -}}
{{- $_ := set $config "transaction.state.log.replication.factor" $copies -}}
{{- $_ := set $config "transaction.state.log.min.isr" $inSync -}}
{{- $_ := set $config "unclean.leader.election.enable" false -}}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.kafka.strimzi.config)) -}}
{{- end -}}

{{/*
The fewest rights: everybody looks at every topic of the table before it starts and compares its settings; who reads
and who appends stands in the table. No groups (readers keep their own offsets), no transactions; the number of an
idempotent producer comes with the right to append.
*/}}
{{- define "sps.acls" -}}
{{- $name := .fact.name -}}
{{- $prefix := .root.Values.kafka.prefix -}}
{{- range $topic, $facts := .root.Files.Get "files/topics.json" | fromJson }}
{{- $may := list "Describe" "DescribeConfigs" -}}
{{- if has $name $facts.readers }}{{ $may = append $may "Read" }}{{ end -}}
{{- if has $name $facts.writers }}{{ $may = append $may "Write" }}{{ end }}
- type: allow
  resource: {type: topic, name: {{ $prefix }}{{ $topic }}, patternType: literal}
  operations: [{{ join ", " $may }}]
  host: "*"
{{- end }}
{{- end -}}

{{/* How a person logs in to make the topics; whose name that is, the person knows. */}}
{{- define "sps.topicsLogin" -}}
{{- with .Values.kafka.external -}}
{{- if .tls.enabled }} --tls{{ end -}}
{{- if .tls.caSecret }} --ca-file CA.pem{{ end -}}
{{- if .tls.clientCertificate }} --certificate-file OWN.pem --key-file OWN.key{{ end -}}
{{- with .sasl.mechanism }} --sasl-mechanism {{ . }} --username NAME{{ end -}}
{{- end -}}
{{- end -}}
