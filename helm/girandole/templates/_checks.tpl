{{/* What a schema cannot say: values that contradict each other. */}}

{{- define "girandole.checks" -}}
{{- $m := .Values.models -}}
{{- if and (not $m.existingClaim) (not $m.init.image) -}}
{{- fail "models: no model repository; set models.existingClaim (a PersistentVolumeClaim) or models.init.image (fills an empty volume)" -}}
{{- end -}}
{{- if and $m.existingClaim $m.init.image -}}
{{- fail "models: existingClaim and init.image are both set; keep one" -}}
{{- end -}}
{{- $d := .Values.drain -}}
{{- if ge (int $d.graceSeconds) (int $d.exitTimeoutSeconds) -}}
{{- fail (printf "drain.graceSeconds (%d) must be less than drain.exitTimeoutSeconds (%d), it is a part of it" (int $d.graceSeconds) (int $d.exitTimeoutSeconds)) -}}
{{- end -}}
{{- if and .Values.state.existingClaim (or .Values.autoscaling.enabled (gt (int .Values.replicas) 1)) -}}
{{- fail "state.existingClaim is for one replica: each server keeps a state of its own, and two would overwrite each other's; leave it empty, or set replicas: 1 without autoscaling" -}}
{{- end -}}
{{- $a := .Values.autoscaling -}}
{{- if and $a.enabled (not $a.queueSeconds) (not $a.gpuUtilization) -}}
{{- fail "autoscaling: nothing to scale by; set autoscaling.queueSeconds or autoscaling.gpuUtilization" -}}
{{- end -}}
{{- if and .Values.traffic.files (eq (.Values.config.model_control_mode | default "none") "none") -}}
{{- fail "traffic.files are not followed with config.model_control_mode: none; use poll" -}}
{{- end -}}
{{- end -}}
