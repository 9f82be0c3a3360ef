{{- define "agent.name" -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- end }}

{{- define "agent.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "agent.name" .) -}}
{{- end }}

{{- define "agent.selector" -}}
app.kubernetes.io/name: flyte-registration-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/part-of: flyte-registration-hub
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "agent.subjects" -}}
- kind: ServiceAccount
  name: {{ include "agent.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- with .Values.extraSubjects }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The names by which the API server knows the subjects: a list in CEL. */ -}}
{{- define "agent.users" -}}
{{- $users := list (printf "system:serviceaccount:%s:%s" .Release.Namespace (include "agent.serviceAccount" .)) -}}
{{- range .Values.extraSubjects -}}
{{- if eq .kind "User" -}}
{{- $users = append $users .name -}}
{{- else if eq .kind "ServiceAccount" -}}
{{- $users = append $users (printf "system:serviceaccount:%s:%s" .namespace .name) -}}
{{- end -}}
{{- end -}}
{{- $users | toJson -}}
{{- end }}

{{- /* What the agent does to the resources of tenants. */ -}}
{{- define "agent.tenantRules" -}}
# Status is written to the subresource; the resource itself is patched only to take our
# finalizer off.
- apiGroups: [flyte.backend]
  resources: [flyteregistrations]
  verbs: [get, list, watch, patch]
- apiGroups: [flyte.backend]
  resources: [flyteregistrations/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
