{{/* Parts of the pod that its containers share. */}}

{{- define "girandole.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "girandole.modelsMount" -}}
name: models
mountPath: /models
{{- with .Values.models.subPath }}
subPath: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "girandole.initContainers" -}}
{{- with .Values.models.init }}
{{- if .image }}
- name: models
  image: {{ .image | quote }}
  {{- with .command }}
  command: {{ toJson . }}
  {{- end }}
  {{- with .args }}
  args: {{ toJson . }}
  {{- end }}
  {{- with .env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml $.Values.resources | nindent 4 }}
  securityContext:
    {{- include "girandole.containerSecurity" $ | nindent 4 }}
  volumeMounts:
    - { name: tmp, mountPath: /tmp }
    - {{ include "girandole.modelsMount" $ | nindent 6 | trim }}
{{- end }}
{{- end }}
{{- if and .Values.traffic.files .Values.traffic.link }}
# A ConfigMap's file that is mounted by subPath would never change again, so the repository gets links to it.
- name: traffic
  image: {{ include "girandole.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - sh
    - -euc
    - |
      {{- .Files.Get "files/link-traffic.sh" | trim | nindent 6 }}
    - link-traffic
    {{- range $model, $_ := .Values.traffic.files }}
    - {{ $model | quote }}
    {{- end }}
  env:
    - { name: MODELS, value: /models }
    - { name: TRAFFIC, value: /etc/girandole/traffic }
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  securityContext:
    {{- include "girandole.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {{ include "girandole.modelsMount" . | nindent 6 | trim }}
{{- end }}
{{- end -}}

{{- define "girandole.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
- name: config
  configMap:
    name: {{ include "girandole.fullname" . }}
- name: models
  {{- if .Values.models.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.models.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.models.init.sizeLimit }}
  {{- end }}
- name: state
  {{- if .Values.state.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.state.existingClaim }}
  {{- else }}
  emptyDir: { sizeLimit: 64Mi }
  {{- end }}
{{- if .Values.traffic.files }}
- name: traffic
  configMap:
    name: {{ include "girandole.fullname" . }}-traffic
{{- end }}
{{- if ne .Values.tls.mode "insecure" }}
- name: tls
  secret:
    secretName: {{ include "girandole.tlsSecret" . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.access.existingSecret }}
- name: access
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.signatures.existingSecret }}
- name: signatures
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.encryption.existingSecret }}
- name: encryption
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}
