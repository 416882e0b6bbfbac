{{/* What every name begins with: short enough for the suffixes here, and for keda-hpa- before it. */}}
{{- define "crossdock.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* What a selector asks for; takes the root and the name of a service. */}}
{{- define "crossdock.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{/* The labels of an object; takes the root and the name of a service, or "all" for what they share. */}}
{{- define "crossdock.labels" -}}
{{ include "crossdock.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "crossdock.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "crossdock.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The annotations of what the migration needs of this release: it comes before, and goes when that has passed. */}}
{{- define "crossdock.beforeMigration" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: "-5"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The Secret, be it there already or made by secret.yaml. */}}
{{- define "crossdock.secret" -}}
{{- .Values.secrets.existing | default (include "crossdock.name" .) -}}
{{- end -}}

{{/* The one that a service mounts; takes the root and the name of a service. */}}
{{- define "crossdock.secretFor" -}}
{{- if and (eq .service "migrate") .root.Values.migration.secret -}}
{{- .root.Values.migration.secret -}}
{{- else if and (eq .service "migrate") (not .root.Values.secrets.existing) -}}
{{- include "crossdock.name" .root }}-migrate
{{- else -}}
{{- include "crossdock.secret" .root -}}
{{- end -}}
{{- end -}}

{{/* The names of the secrets, as JSON. */}}
{{- define "crossdock.secretKeys" -}}
{{- $keys := empty .Values.secrets.existing | ternary (keys .Values.secrets.values) .Values.secrets.keys | sortAlpha -}}
{{- range list "CROSSDOCK_DATABASE_URL" "CROSSDOCK_BROKER_URL" "CROSSDOCK_SECRETS_KEY" -}}
{{- if not (has . $keys) -}}
{{- fail (printf "%s is missing: name it in secrets.keys, with secrets.existing, or set it in secrets.values" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $keys -}}
{{- end -}}
