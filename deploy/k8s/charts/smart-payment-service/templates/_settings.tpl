{{/*
The settings of each component: their names as in docs/configuration.md, without the prefix, in small letters.
All take one argument, the component: root, key, fact, values.
*/}}

{{- define "sps.settings" -}}
host: {{ .root.Values.listenAddress | quote }}
port: 8080
monitor_host: {{ .root.Values.listenAddress | quote }}
monitor_port: 9090
log_level: {{ .root.Values.logLevel }}
{{- if .fact.kafka }}
event_log: {{ include "sps.eventLog" .root | quote }}
{{ include "sps.kafkaSettings" . }}
genesis: /run/secrets/sps/genesis.json
{{- with .root.Values.monitoring.traces }}
{{- if .endpoint }}
trace_endpoint: {{ .endpoint }}
trace_share: {{ .share }}
{{- end }}
{{- end }}
{{- $peers := include "sps.peers" .root }}
{{- if ne $peers "[]" }}
peers: {{ $peers }}
{{- end }}
{{- end }}
{{- if and .fact.database (eq .root.Values.postgres.mode "cnpg") }}
database_url: postgresql+asyncpg://{{ include "sps.database" . }}@{{ include "sps.postgresCluster" .root }}-rw:5432/{{ include "sps.database" . }}
{{- end }}
{{ include (printf "sps.settings.%s" .key) . }}
{{- end -}}

{{- define "sps.kafkaSettings" -}}
{{- $kafka := .root.Values.kafka -}}
{{- if eq $kafka.mode "strimzi" -}}
kafka_tls: true
{{- else -}}
kafka_tls: {{ $kafka.external.tls.enabled }}
{{- with $kafka.external.sasl.mechanism }}
kafka_sasl_mechanism: {{ . }}
kafka_username: {{ required "kafka.external.sasl.username must be given" (default $kafka.external.sasl.username $.values.kafkaUsername) | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "sps.settings.contractApi" -}}
public_url: {{ include "sps.publicUrl" . }}
payment_gateway_url: {{ include "sps.innerUrl" (dict "root" .root "name" "payment-gateway") }}
carrier_gateway_url: {{ include "sps.innerUrl" (dict "root" .root "name" "carrier-gateway") }}
live: {{ .values.live }}
open_registration: {{ .values.openRegistration }}
payment_providers: {{ toJson .values.paymentProviders }}
carriers: {{ toJson .values.carriers }}
{{- if .values.payOrigins }}
pay_origins: {{ toJson .values.payOrigins }}
{{- else if .root.Values.sandbox.enabled }}
pay_origins: {{ list (include "sps.publicUrl" (dict "root" .root "key" "sandbox")) | toJson }}
{{- end }}
{{- end -}}

{{- define "sps.settings.consensusNode" -}}
key: /run/secrets/validator/key
data: /var/lib/sps/node
observer: {{ .values.observer }}
{{- end -}}

{{- define "sps.settings.carrierGateway" -}}
public_url: {{ include "sps.publicUrl" . }}
{{- if .root.Values.sandbox.enabled }}
{{- $sandbox := include "sps.publicUrl" (dict "root" .root "key" "sandbox") }}
dhl_base_url: {{ $sandbox }}/dhl
easypost_base_url: {{ $sandbox }}/easypost
{{- end }}
{{- end -}}

{{- define "sps.settings.paymentGateway" -}}
public_url: {{ include "sps.publicUrl" . }}
{{- if .values.alipay.enabled }}
alipay_app_id: {{ required "paymentGateway.alipay.appId must be given" .values.alipay.appId | quote }}
alipay_seller_id: {{ required "paymentGateway.alipay.sellerId must be given" .values.alipay.sellerId | quote }}
{{- end }}
{{- if .root.Values.sandbox.enabled }}
{{- $sandbox := include "sps.publicUrl" (dict "root" .root "key" "sandbox") }}
alipay_gateway: {{ $sandbox }}/alipay/gateway.do
stripe_base_url: {{ $sandbox }}/stripe
{{- end }}
{{- end -}}

{{- define "sps.settings.settlement" -}}
{{- if .root.Values.sandbox.enabled -}}
rates_url: {{ include "sps.publicUrl" (dict "root" .root "key" "sandbox") }}/ecb/eurofxref-daily.xml
{{- end -}}
{{- end -}}

{{- define "sps.settings.sandbox" -}}
{{- $payment := include "sps.publicUrl" (dict "root" .root "key" "paymentGateway") -}}
{{- $carrier := include "sps.publicUrl" (dict "root" .root "key" "carrierGateway") -}}
public_url: {{ include "sps.publicUrl" . }}
{{- with .root.Values.paymentGateway.alipay }}
{{- with .appId }}
alipay_app_id: {{ . | quote }}
{{- end }}
{{- with .sellerId }}
alipay_seller_id: {{ . | quote }}
{{- end }}
{{- end }}
alipay_message_url: {{ $payment }}/webhooks/alipay
stripe_webhook_url: {{ $payment }}/webhooks/stripe
easypost_webhook_url: {{ $carrier }}/webhooks/easypost
{{- end -}}

{{/* All variables of a component by their names, as text. What a person gave in `settings` and `env` comes last. */}}
{{- define "sps.environment" -}}
{{- $prefix := printf "%s_" (upper .fact.module) -}}
{{- $found := dict -}}
{{- range $name, $value := mergeOverwrite (include "sps.settings" . | fromYaml) (deepCopy .values.settings) -}}
{{- $text := $value -}}
{{- if not (kindIs "string" $value) }}{{ $text = toJson $value }}{{ end -}}
{{- $_ := set $found (printf "%s%s" $prefix (upper $name)) $text -}}
{{- end -}}
{{- range $file, $variable := include "sps.files" . | fromYaml -}}
{{- $_ := set $found (printf "%s%s" $prefix $variable) (printf "/run/secrets/sps/%s" $file) -}}
{{- end -}}
{{- if .fact.database -}}
{{- $_ := set $found "PGSSLMODE" (ternary "verify-full" .root.Values.postgres.tls.mode (eq .root.Values.postgres.mode "cnpg")) -}}
{{- if include "sps.postgresCa" .root -}}
{{- $_ := set $found "PGSSLROOTCERT" "/run/secrets/sps/postgres-ca.crt" -}}
{{- end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $found (deepCopy .values.env)) -}}
{{- end -}}
