{{/* What all pods have in common: nobody special, in a file system that cannot be written. */}}
{{- define "crossdock.pod" -}}
automountServiceAccountToken: false
# Their variables, CROSSDOCK_PORT for one, would be taken for settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The beginning of a container; takes the root and the name of a service. */}}
{{- define "crossdock.container" -}}
name: {{ .service }}
image: {{ printf "%s/%s:%s" .root.Values.image.repository .service (.root.Values.image.tag | default .root.Chart.AppVersion) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* The secrets that a service is given, as JSON. */}}
{{- define "crossdock.secretsOf" -}}
{{- $keys := include "crossdock.secretKeys" .root | fromJsonArray -}}
{{- if eq .service "migrate" -}}
{{- $keys = list "CROSSDOCK_DATABASE_URL" -}}
{{- else if ne .service "api" -}}
{{- $keys = without $keys "CROSSDOCK_ROOT_TOKEN" "CROSSDOCK_SIGNING_KEY" "CROSSDOCK_OPENID_CONNECT_CLIENT_SECRET" -}}
{{- end -}}
{{- toJson $keys -}}
{{- end -}}

{{- define "crossdock.secretVariables" -}}
{{- range include "crossdock.secretsOf" . | fromJsonArray }}
- name: {{ . }}_FILE
  value: /run/secrets/crossdock/{{ . }}
{{- end }}
{{- end -}}

{{/* What is mounted: secrets, and the certificates that are trusted. */}}
{{- define "crossdock.mounts" -}}
volumeMounts:
  - name: secrets
    mountPath: /run/secrets/crossdock
    readOnly: true
  {{- if .root.Values.trust.configMap }}
  - name: trust
    mountPath: /etc/crossdock/trust
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "crossdock.volumes" -}}
volumes:
  {{- if .root.Values.trust.configMap }}
  - name: trust
    configMap:
      name: {{ .root.Values.trust.configMap }}
      items: [{key: {{ .root.Values.trust.key | quote }}, path: ca.crt}]
  {{- end }}
  - name: secrets
    secret:
      secretName: {{ include "crossdock.secretFor" . }}
      defaultMode: 0440
      items:
        {{- range include "crossdock.secretsOf" . | fromJsonArray }}
        - {key: {{ . }}, path: {{ . }}}
        {{- end }}
{{- end -}}

{{/* Probes of the api are answered where users are, those of a worker where metrics are. */}}
{{- define "crossdock.probes" -}}
{{- $port := ternary "http" "metrics" (eq .service "api") -}}
# It waits a minute for servers that are starting too.
startupProbe:
  httpGet: {path: /-/liveness, port: {{ $port }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /-/liveness, port: {{ $port }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# Noticed within the fifth of drainSeconds in which the api still takes new requests.
readinessProbe:
  httpGet: {path: /-/readiness, port: {{ $port }}}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}
