{{/* Names and labels. The selector's labels never change, as a Deployment's cannot. */}}

{{- define "girandole.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "girandole.selector" -}}
app.kubernetes.io/name: girandole
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "girandole.labels" -}}
{{ include "girandole.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "girandole.image" -}}
{{- $kind := ternary "cuda" "cpu" (gt (int .Values.gpu.count) 0) -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "%s-%s" .Chart.AppVersion $kind) }}
{{- end -}}
{{- end -}}

{{- define "girandole.tlsSecret" -}}
{{- if eq .Values.tls.mode "existingSecret" -}}
{{- required "tls.existingSecret: name the Secret with tls.crt and tls.key, or choose another tls.mode" .Values.tls.existingSecret -}}
{{- else -}}
{{- include "girandole.fullname" . }}-tls
{{- end -}}
{{- end -}}
