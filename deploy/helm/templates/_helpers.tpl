{{- define "millrace.labels" -}}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "millrace.image" -}}
{{ printf "%s/millrace-%s:%s" .root.Values.image.registry .extra (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{- define "millrace.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "millrace.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "millrace.settings" -}}
{{- $v := .Values -}}
- name: MILLRACE_KAFKA__BOOTSTRAP_SERVERS
  value: {{ required "kafka.bootstrapServers is required" $v.kafka.bootstrapServers | quote }}
- name: MILLRACE_KAFKA__SECURITY_PROTOCOL
  value: {{ $v.kafka.securityProtocol | quote }}
{{- with $v.kafka.existingSecret }}
- name: MILLRACE_KAFKA__SASL_MECHANISM
  value: {{ $v.kafka.saslMechanism | quote }}
- name: MILLRACE_KAFKA__SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: username}}
- name: MILLRACE_KAFKA__SASL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: password}}
{{- if $v.kafka.hasCa }}
- name: MILLRACE_KAFKA__SSL_CA_LOCATION
  value: /app/ca/ca.crt
{{- end }}
{{- end }}
{{- range $name, $value := $v.kafka.settings }}
- name: MILLRACE_KAFKA__{{ $name | upper | replace "." "_" }}
  value: {{ $value | quote }}
{{- end }}
- name: MILLRACE_REDIS_URL
{{- if $v.redis.existingSecret }}
  valueFrom: {secretKeyRef: {name: {{ $v.redis.existingSecret | quote }}, key: url}}
{{- else }}
  value: {{ $v.redis.url | quote }}
{{- end }}
{{- range $name, $key := dict "TOKENS" "tokens" "DEAD_LETTERS" "dead-letters" "DATASET" "dataset" }}
- name: MILLRACE_SECRETS__{{ $name }}
  valueFrom: {secretKeyRef: {name: {{ required "secrets.existingSecret is required" $v.secrets.existingSecret | quote }}, key: {{ $key }}}}
{{- end }}
- name: MILLRACE_TOPIC_PREFIX
  value: {{ $v.topicPrefix | quote }}
{{- $folder := ternary "/app/var/shared" "" (ne $v.shared.existingClaim "") }}
- name: MILLRACE_MODEL_URL
  value: {{ required "shared.existingClaim or modelUrl is required" ($v.modelUrl | default (and $folder (printf "%s/models" $folder))) | quote }}
{{- with $v.stateUrl | default (and $folder (printf "%s/checkpoints" $folder)) }}
- name: MILLRACE_STATE_URL
  value: {{ . | quote }}
{{- end }}
- name: MILLRACE_STATE_FOLDER
  value: /app/var/state
- name: MILLRACE_KEYS_FOLDER
  value: /app/var/keys
- name: MILLRACE_LOG_FORMAT
  value: json
- name: MILLRACE_HTTP_HOST
  value: 0.0.0.0
- name: MILLRACE_HTTP_PORT
  value: {{ $v.httpPort | quote }}
{{- range $name, $value := $v.settings }}
- name: MILLRACE_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "millrace.mounts" -}}
- {name: state, mountPath: /app/var/state}
- {name: keys, mountPath: /app/var/keys, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .Values.shared.existingClaim }}
- {name: shared, mountPath: /app/var/shared}
{{- end }}
{{- if and .Values.kafka.existingSecret .Values.kafka.hasCa }}
- {name: ca, mountPath: /app/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "millrace.volumes" -}}
- name: keys
  secret:
    secretName: {{ required "modelKeys.existingSecret is required" .Values.modelKeys.existingSecret | quote }}
    defaultMode: 0440
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- with .Values.shared.existingClaim }}
- name: shared
  persistentVolumeClaim: {claimName: {{ . | quote }}}
{{- end }}
{{- if and .Values.kafka.existingSecret .Values.kafka.hasCa }}
- name: ca
  secret:
    secretName: {{ .Values.kafka.existingSecret | quote }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}
