{{/*
girandole.toml. JSON's strings, numbers, booleans and lists of them are TOML's too; `toToml` would write 30 as 30.0,
which is no number of seconds to the server.
*/}}
{{- define "girandole.toml" -}}
model_repository = ["/models"]
state_dir = "/var/lib/girandole"
http_address = "0.0.0.0"
grpc_address = "0.0.0.0"
metrics_address = "0.0.0.0"
http_port = 8000
grpc_port = 8001
metrics_port = 8002
{{- if eq .Values.tls.mode "insecure" }}
insecure = true
{{- else }}
tls_cert = "/etc/girandole/tls/tls.crt"
tls_key = "/etc/girandole/tls/tls.key"
{{- end }}
{{- with .Values.access.existingSecret }}
access_file = "/etc/girandole/access/access.toml"
{{- end }}
{{- if .Values.signatures.existingSecret }}
trusted_keys = "/etc/girandole/signatures/trusted.pem"
{{- end }}
{{- if .Values.encryption.existingSecret }}
model_key_file = "/etc/girandole/encryption/model.key"
{{- end }}
shutdown_grace_secs = {{ int .Values.drain.graceSeconds }}
exit_timeout_secs = {{ int .Values.drain.exitTimeoutSeconds }}
{{- if gt (int .Values.gpu.count) 0 }}
require_gpu = true
{{- end }}
{{- range $key, $value := .Values.config }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end -}}
