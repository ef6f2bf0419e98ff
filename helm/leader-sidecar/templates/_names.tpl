{{/* Labels of every object of this chart. */}}
{{- define "leader-sidecar.labels" -}}
app.kubernetes.io/name: leader-sidecar
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{/* The sidecar's image. Takes the chart's values. */}}
{{- define "leader-sidecar.image" -}}
{{- with .image -}}
{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{/* etcd's endpoints, comma separated. Takes the chart's values and what needs them. */}}
{{- define "leader-sidecar.endpoints" -}}
{{- required (printf "sidecar.etcd.endpoints: not set: %s needs etcd, name its members as [http://etcd:2379]" .for) (join "," .values.sidecar.etcd.endpoints) -}}
{{- end }}

{{/* Not empty where the cluster has the policies that injection and the example's checks are made of. */}}
{{- define "leader-sidecar.injects" -}}
{{- if and .Values.injection.enabled (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy") }}yes{{ end -}}
{{- end }}

{{/* Not empty where there is something that `helm test` can start. */}}
{{- define "leader-sidecar.tests" -}}
{{- if and .Values.test.enabled .Values.sidecar.etcd.endpoints (semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version) }}yes{{ end -}}
{{- end }}
