{{/* The pod of a component. One argument, the component: root, key, fact, values. */}}
{{- define "sps.pod" -}}
metadata:
  labels:
    {{- include "sps.podLabels" . | nindent 4 }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .fact.name }}
    {{- if and .fact.kafka .root.Values.chain.genesis.document }}
    checksum/genesis: {{ sha256sum .root.Values.chain.genesis.document }}
    {{- end }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "sps.serviceAccountName" . }}
  automountServiceAccountToken: false
  {{- /* Kubernetes would make variables of Services that a process takes for settings of its own, and refuses. */}}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  securityContext: {{- include "sps.podSecurity" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "sps.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .fact.name }}
      {{- include "sps.container" . | nindent 6 }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- include "sps.sources" . | trim | nindent 10 }}
    {{- if eq .key "consensusNode" }}
    - name: validator-keys
      projected:
        defaultMode: 0440
        sources:
          {{- include "sps.validatorKeys" .root | trim | nindent 10 }}
    {{- end }}
    {{- with .values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "sps.container" -}}
image: {{ include "sps.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [python, -m, {{ .fact.module }}]
securityContext: {{- include "sps.containerSecurity" . | nindent 2 }}
ports:
  - {name: http, containerPort: 8080, protocol: TCP}
  - {name: monitor, containerPort: 9090, protocol: TCP}
env:
  {{- range $name, $value := include "sps.environment" . | fromYaml }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- if and .fact.database (eq .root.Values.postgres.mode "cnpg") }}
  - name: PGPASSWORD
    valueFrom:
      secretKeyRef: {name: {{ include "sps.roleSecretName" . }}, key: password}
  {{- end }}
  {{- if eq .key "consensusNode" }}
  - name: POD_NAME
    valueFrom:
      fieldRef: {fieldPath: metadata.name}
  {{- end }}
{{- with .values.envFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- /* Live asks nothing external. The monitor answers before migrations and replay begin, and ready comes after. */}}
startupProbe:
  httpGet: {path: /health/live, port: monitor}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /health/live, port: monitor}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /health/ready, port: monitor}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- if gt (int .root.Values.preStopSeconds) 0 }}
lifecycle:
  preStop:
    sleep: {seconds: {{ .root.Values.preStopSeconds }}}
{{- end }}
resources: {{- toYaml .values.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /run/secrets/sps, readOnly: true}
  {{- if eq .key "consensusNode" }}
  - {name: data, mountPath: /var/lib/sps}
  {{- /* Of all keys in the volume only that of its own name is mounted. */}}
  - {name: validator-keys, mountPath: /run/secrets/validator/key, subPathExpr: $(POD_NAME), readOnly: true}
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "sps.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "sps.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the pod goes. Validators keep apart from each other; of everybody else there is one. */}}
{{- define "sps.placement" -}}
{{- $affinity := .values.affinity -}}
{{- $spread := .values.topologySpreadConstraints -}}
{{- if eq .key "consensusNode" -}}
{{- if not $affinity }}{{ $affinity = include "sps.apart" . | fromYaml }}{{ end -}}
{{- if not $spread }}{{ $spread = include "sps.spread" . | fromYamlArray }}{{ end -}}
{{- end -}}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $spread }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sps.apart" -}}
{{- if eq .values.antiAffinity "required" -}}
podAntiAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels: {{- include "sps.componentSelector" . | nindent 10 }}
{{- else if eq .values.antiAffinity "preferred" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "sps.componentSelector" . | nindent 12 }}
{{- end -}}
{{- end -}}

{{- define "sps.spread" -}}
- topologyKey: topology.kubernetes.io/zone
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "sps.componentSelector" . | nindent 6 }}
{{- end -}}

{{/* The key Secret of each ordinal, as a file under the name of its pod. */}}
{{- define "sps.validatorKeys" -}}
{{- range $ordinal := until (int .Values.consensusNode.replicaCount) }}
- secret:
    name: {{ include "sps.keySecretPrefix" $ }}-{{ $ordinal }}
    items:
      - {key: key, path: {{ include "sps.fullname" $ }}-consensus-node-{{ $ordinal }}}
{{- end }}
{{- end -}}
