{{/* Names and labels. Selectors are the stable three labels; all others may change at an upgrade. */}}

{{/* 36 characters: the longest ending of ours is `-postgres-payment-gateway`, and a name has 63 together. */}}
{{- define "sps.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sps.componentName" -}}
{{- printf "%s-%s" (include "sps.fullname" .root) .fact.name -}}
{{- end -}}

{{- define "sps.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sps.componentSelector" -}}
{{ include "sps.selector" .root }}
app.kubernetes.io/component: {{ .fact.name }}
{{- end -}}

{{- define "sps.labels" -}}
{{ include "sps.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: smart-payment-service
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sps.componentLabels" -}}
{{ include "sps.labels" .root }}
app.kubernetes.io/component: {{ .fact.name }}
{{- end -}}

{{/* Without the chart's version: a change of the chart alone restarts nobody. */}}
{{- define "sps.podLabels" -}}
{{ include "sps.componentSelector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: smart-payment-service
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sps.serviceAccountName" -}}
{{- $account := .values.serviceAccount -}}
{{- if $account.create -}}
{{- default (include "sps.componentName" .) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{- define "sps.secretName" -}}
{{- default (include "sps.componentName" .) .values.existingSecret -}}
{{- end -}}

{{- define "sps.keySecretPrefix" -}}
{{- default (printf "%s-consensus-node" (include "sps.fullname" .)) .Values.consensusNode.keySecretPrefix -}}
{{- end -}}

{{- define "sps.internalSecretName" -}}
{{- default (printf "%s-internal" (include "sps.fullname" .)) .Values.internalToken.existingSecret -}}
{{- end -}}

{{- define "sps.genesisName" -}}
{{- default (printf "%s-genesis" (include "sps.fullname" .)) .Values.chain.genesis.existingConfigMap -}}
{{- end -}}

{{- define "sps.kafkaCluster" -}}
{{- default (printf "%s-kafka" (include "sps.fullname" .)) .Values.kafka.strimzi.clusterName -}}
{{- end -}}

{{- define "sps.postgresCluster" -}}
{{- default (printf "%s-postgres" (include "sps.fullname" .)) .Values.postgres.cnpg.clusterName -}}
{{- end -}}

{{/* `sps_contract_api`: the name of a service's database and of its owner. */}}
{{- define "sps.database" -}}
{{- printf "sps_%s" .fact.module -}}
{{- end -}}

{{- define "sps.roleSecretName" -}}
{{- printf "%s-postgres-%s" (include "sps.fullname" .root) .fact.name -}}
{{- end -}}

{{/* The KafkaUser of a component, and the Secret with its certificate. */}}
{{- define "sps.kafkaUserName" -}}
{{- printf "%s-kafka-%s" (include "sps.fullname" .root) .fact.name -}}
{{- end -}}
