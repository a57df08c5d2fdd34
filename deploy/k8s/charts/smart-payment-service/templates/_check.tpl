{{/* What a schema cannot say. Each refusal tells what to do. */}}
{{- define "sps.check" -}}
{{- $values := .Values -}}
{{- $genesis := $values.chain.genesis -}}
{{- if and $genesis.existingConfigMap $genesis.document -}}
{{- fail "chain.genesis: give existingConfigMap or document, not both" -}}
{{- end -}}
{{- if not (or $genesis.existingConfigMap $genesis.document) -}}
{{- fail "chain.genesis: give the genesis document, by existingConfigMap or by --set-file chain.genesis.document=genesis.json" -}}
{{- end -}}
{{- if and (eq $values.kafka.mode "external") (not $values.kafka.external.bootstrapServers) -}}
{{- fail "kafka.external.bootstrapServers: name some brokers, or set kafka.mode to strimzi" -}}
{{- end -}}
{{- if eq $values.kafka.mode "strimzi" -}}
{{- include "sps.needs" (dict "root" . "api" "kafka.strimzi.io/v1" "key" "kafka.mode=strimzi") -}}
{{- end -}}
{{- $databases := false -}}
{{- range $fact := include "sps.enabled" . | fromYaml -}}
{{- if $fact.database }}{{ $databases = true }}{{ end -}}
{{- end -}}
{{- if and $databases (eq $values.postgres.mode "cnpg") -}}
{{- include "sps.needs" (dict "root" . "api" "postgresql.cnpg.io/v1" "key" "postgres.mode=cnpg") -}}
{{- end -}}
{{- if and $databases (eq $values.postgres.mode "external") (hasPrefix "verify-" $values.postgres.tls.mode) (not $values.postgres.tls.caSecret) -}}
{{- fail "postgres.tls.caSecret: name the Secret of the CA that signed the server's certificate, or choose another postgres.tls.mode" -}}
{{- end -}}
{{- if and $values.sandbox.enabled (or (not $values.carrierGateway.enabled) (not $values.paymentGateway.enabled)) -}}
{{- fail "sandbox.enabled: it plays for the gateways of the same release; enable carrierGateway and paymentGateway" -}}
{{- end -}}
{{- if $values.sandbox.enabled -}}
{{- if $values.contractApi.live -}}
{{- fail "contractApi.live: live keys and a sandbox never mix" -}}
{{- end -}}
{{- if not (hasPrefix "https://" (include "sps.publicUrl" (dict "root" . "key" "sandbox"))) -}}
{{- fail "sandbox.publicUrl: a provider is reached by https" -}}
{{- end -}}
{{- end -}}
{{- if and $values.sandbox.enabled (ne $values.paymentGateway.alipay.certificates $values.sandbox.certificates) -}}
{{- fail "sandbox.certificates must be as paymentGateway.alipay.certificates" -}}
{{- end -}}
{{- range $key, $fact := include "sps.enabled" . | fromYaml -}}
{{- $grace := int (index $values $key).terminationGracePeriodSeconds -}}
{{- if lt $grace (add 26 (int $values.preStopSeconds) | int) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds: at least 26 s after the pause of preStopSeconds" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
