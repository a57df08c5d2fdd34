{{/*
Secrets reach a process as files under /run/secrets/sps, all in one volume. `sps.own.<component>` maps the keys of
the component's Secret to its variables, without the prefix; a variable in `_FILE` holds a secret itself.
*/}}

{{- define "sps.own.contractApi" -}}
key: KEY
custody-key: CUSTODY_KEY
{{- end -}}

{{- define "sps.own.consensusNode" -}}
{{- end -}}

{{- define "sps.own.carrierGateway" -}}
key: KEY
tracking-pepper: TRACKING_PEPPER_FILE
{{- if .values.dhl.enabled }}
dhl-api-key: DHL_API_KEY_FILE
dhl-hook-path: DHL_HOOK_PATH_FILE
dhl-hook-token: DHL_HOOK_TOKEN_FILE
{{- if .values.dhl.previousToken }}
dhl-hook-token-previous: DHL_HOOK_TOKEN_PREVIOUS_FILE
{{- end }}
{{- end }}
{{- if .values.easypost.enabled }}
easypost-api-key: EASYPOST_API_KEY_FILE
easypost-webhook-secret: EASYPOST_WEBHOOK_SECRET_FILE
{{- if .values.easypost.previousSecret }}
easypost-webhook-secret-previous: EASYPOST_WEBHOOK_SECRET_PREVIOUS_FILE
{{- end }}
{{- end }}
{{- end -}}

{{- define "sps.own.paymentGateway" -}}
key: KEY
{{- if .values.alipay.enabled }}
alipay-private-key: ALIPAY_PRIVATE_KEY_FILE
alipay-public-key: ALIPAY_PUBLIC_KEY
{{- if .values.alipay.certificates }}
alipay-app-certificate: ALIPAY_APP_CERTIFICATE
alipay-root-certificate: ALIPAY_ROOT_CERTIFICATE
{{- end }}
{{- end }}
{{- if .values.stripe.enabled }}
stripe-secret-key: STRIPE_SECRET_KEY_FILE
stripe-webhook-secrets: STRIPE_WEBHOOK_SECRETS_FILE
{{- end }}
{{- end -}}

{{- define "sps.own.settlement" -}}
key: KEY
{{- end -}}

{{- define "sps.own.sandbox" -}}
alipay-private-key: ALIPAY_PRIVATE_KEY_FILE
merchant-public-key: MERCHANT_PUBLIC_KEY
{{- if .values.certificates }}
alipay-app-certificate: APP_CERT
alipay-root-certificate: ROOT_CERT
{{- end }}
stripe-secret-key: STRIPE_SECRET_KEY_FILE
stripe-webhook-secret: STRIPE_WEBHOOK_SECRET_FILE
dhl-api-key: DHL_API_KEY_FILE
easypost-api-key: EASYPOST_API_KEY_FILE
easypost-webhook-secret: EASYPOST_WEBHOOK_SECRET_FILE
{{- end -}}

{{/* The keys of the component's Secret with their variables: its own, the database, Kafka. */}}
{{- define "sps.ownFiles" -}}
{{ include (printf "sps.own.%s" .key) . }}
{{- if and .fact.database (eq .root.Values.postgres.mode "external") }}
database-url: DATABASE_URL_FILE
{{- end }}
{{- if and .fact.kafka (eq .root.Values.kafka.mode "external") }}
{{- if .root.Values.kafka.external.sasl.mechanism }}
kafka-password: KAFKA_PASSWORD_FILE
{{- end }}
{{- if .root.Values.kafka.external.tls.clientCertificate }}
kafka.crt: KAFKA_CERTIFICATE_FILE
kafka.key: KAFKA_KEY_FILE
{{- end }}
{{- end }}
{{- end -}}

{{/* Every file of a component with its variable. The genesis document is a plain setting, see `sps.settings`. */}}
{{- define "sps.files" -}}
{{ include "sps.ownFiles" . }}
{{- if .fact.member }}
internal-token: INTERNAL_TOKEN_FILE
{{- end }}
{{- if .fact.kafka }}
{{- if eq .root.Values.kafka.mode "strimzi" }}
kafka-ca.crt: KAFKA_CA_FILE
kafka.crt: KAFKA_CERTIFICATE_FILE
kafka.key: KAFKA_KEY_FILE
{{- else if .root.Values.kafka.external.tls.caSecret }}
kafka-ca.crt: KAFKA_CA_FILE
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secret of the CA that signed the database's certificate, and the key in it: `name/key`, or nothing. */}}
{{- define "sps.postgresCa" -}}
{{- if eq .Values.postgres.mode "cnpg" -}}
{{- printf "%s-ca/ca.crt" (include "sps.postgresCluster" .) -}}
{{- else -}}
{{- with .Values.postgres.tls }}{{ if .caSecret }}{{ printf "%s/%s" .caSecret .caKey }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* `name/key` of the CA that signed the brokers' certificates, or nothing. */}}
{{- define "sps.kafkaCa" -}}
{{- if eq .Values.kafka.mode "strimzi" -}}
{{- printf "%s-cluster-ca-cert/ca.crt" (include "sps.kafkaCluster" .) -}}
{{- else -}}
{{- with .Values.kafka.external.tls }}{{ if .caSecret }}{{ printf "%s/%s" .caSecret .caKey }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* The sources of the volume. */}}
{{- define "sps.sources" -}}
{{- with include "sps.ownFiles" . | fromYaml }}
- secret:
    name: {{ include "sps.secretName" $ }}
    items:
{{- range $file, $_ := . }}
      - {key: {{ $file }}, path: {{ $file }}}
{{- end }}
{{- end }}
{{- if .fact.member }}
- secret:
    name: {{ include "sps.internalSecretName" .root }}
    items:
      - {key: internal-token, path: internal-token}
{{- end }}
{{- if .fact.kafka }}
- configMap:
    name: {{ include "sps.genesisName" .root }}
    items:
      - {key: {{ .root.Values.chain.genesis.key }}, path: genesis.json}
{{- with include "sps.kafkaCa" .root }}
{{- include "sps.caSource" (dict "ca" . "path" "kafka-ca.crt") }}
{{- end }}
{{- if eq .root.Values.kafka.mode "strimzi" }}
- secret:
    name: {{ include "sps.kafkaUserName" . }}
    items:
      - {key: user.crt, path: kafka.crt}
      - {key: user.key, path: kafka.key}
{{- end }}
{{- end }}
{{- if .fact.database }}
{{- with include "sps.postgresCa" .root }}
{{- include "sps.caSource" (dict "ca" . "path" "postgres-ca.crt") }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sps.caSource" }}
- secret:
    name: {{ splitList "/" .ca | first }}
    items:
      - {key: {{ splitList "/" .ca | last }}, path: {{ .path }}}
{{- end -}}

{{/* The names of all Secrets that a person has to provide, or an ExternalSecret. */}}
{{- define "sps.wantedSecrets" -}}
{{- $names := list -}}
{{- range $key, $fact := include "sps.enabled" . | fromYaml -}}
{{- $component := dict "root" $ "key" $key "fact" $fact "values" (index $.Values $key) -}}
{{- if include "sps.ownFiles" $component | fromYaml -}}
{{- $names = append $names (include "sps.secretName" $component) -}}
{{- end -}}
{{- if $fact.member }}{{ $names = append $names (include "sps.internalSecretName" $) }}{{ end -}}
{{- if and $fact.database (eq $.Values.postgres.mode "cnpg") -}}
{{- $names = append $names (include "sps.roleSecretName" $component) -}}
{{- end -}}
{{- end -}}
{{- if .Values.consensusNode.enabled -}}
{{- range $ordinal := until (int .Values.consensusNode.replicaCount) -}}
{{- $names = append $names (printf "%s-%d" (include "sps.keySecretPrefix" $) $ordinal) -}}
{{- end -}}
{{- end -}}
{{- toYaml (sortAlpha (uniq $names)) -}}
{{- end -}}
