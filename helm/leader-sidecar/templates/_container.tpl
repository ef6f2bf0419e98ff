{{/*
The sidecar, for charts that depend on this one, where injection by label cannot be had or is not wanted.

    spec:
      initContainers:
        {{- include "leader-sidecar.container" (dict "root" $ "election" "worker") | nindent 8 }}
      volumes:
        {{- include "leader-sidecar.volumes" (dict "root" $) | nindent 8 }}

root      the including chart's context; settings are the values under leader-sidecar: there, or "values" when given
election  name of the election
native    false: a plain sidecar, for clusters below 1.29; it then belongs under containers:
ttl lockName label route endpoints   instead of the values' own, as in the annotations leader-sidecar/ttl and so on

The same container is made by templates/injection.yaml, by `leader-sidecar inject` and by deploy/components/sidecar.
*/}}
{{- define "leader-sidecar.container" -}}
{{- $values := include "leader-sidecar.values" . | fromYaml -}}
{{- $sidecar := $values.sidecar -}}
{{- $native := ne (toString (dig "native" true .)) "false" -}}
{{- $election := include "leader-sidecar.election" (dict "election" .election) -}}
- name: leader-sidecar
  image: {{ include "leader-sidecar.image" $values | quote }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  {{- if $native }}
  restartPolicy: Always
  args: [run, --native]
  {{- else }}
  args: [run]
  {{- end }}
  env:
    - {name: LEADER_SIDECAR_ELECTION, value: {{ $election | quote }}}
    - {name: LEADER_SIDECAR_ETCD_ENDPOINTS, value: {{ .endpoints | default (include "leader-sidecar.endpoints" (dict "values" $values "for" "a sidecar")) | quote }}}
    - {name: LEADER_SIDECAR_TTL, value: {{ .ttl | default $sidecar.ttlSeconds | int64 | toString | quote }}}
    {{- with $sidecar.clusterName }}
    - {name: LEADER_SIDECAR_CLUSTER_NAME, value: {{ . | quote }}}
    {{- end }}
    {{- with .lockName }}
    - {name: LEADER_SIDECAR_LOCK_NAME, value: {{ . | quote }}}
    {{- end }}
    {{- with .label }}
    - {name: LEADER_SIDECAR_LABEL, value: {{ . | quote }}}
    {{- end }}
    {{- with .route }}
    - {name: LEADER_SIDECAR_ROUTE, value: {{ . | quote }}}
    {{- end }}
    - {name: LEADER_SIDECAR_LABEL_PREFIX, value: {{ $sidecar.labelPrefix | quote }}}
    - {name: LEADER_SIDECAR_LOG_LEVEL, value: {{ $sidecar.logLevel | quote }}}
    {{- if $sidecar.followRollout }}
    - {name: LEADER_SIDECAR_FOLLOW_ROLLOUT, value: "true"}
    {{- end }}
    {{- if $sidecar.resume }}
    - {name: LEADER_SIDECAR_STATE_DIR, value: /var/run/leader-sidecar}
    {{- end }}
    {{- if $sidecar.etcd.tlsSecret }}
    - {name: LEADER_SIDECAR_ETCD_CACERT, value: /etc/leader-sidecar/etcd/ca.crt}
    {{- if $sidecar.etcd.clientCertificate }}
    - {name: LEADER_SIDECAR_ETCD_CERT, value: /etc/leader-sidecar/etcd/tls.crt}
    - {name: LEADER_SIDECAR_ETCD_KEY, value: /etc/leader-sidecar/etcd/tls.key}
    {{- end }}
    {{- end }}
    {{- with $sidecar.etcd.user }}
    - {name: LEADER_SIDECAR_ETCD_USER, value: {{ . | quote }}}
    {{- end }}
    {{- with $sidecar.etcd.passwordSecret }}
    - {name: LEADER_SIDECAR_ETCD_PASSWORD, valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: password}}}
    {{- end }}
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
  ports:
    - {name: leader-health, containerPort: 4041, protocol: TCP}
  startupProbe:
    httpGet: {path: /healthz, port: leader-health}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /healthz, port: leader-health}
    periodSeconds: 10
    failureThreshold: 3
  resources: {{ $sidecar.resources | toJson }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
  volumeMounts:
    - {name: leader-sidecar-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- if $sidecar.etcd.tlsSecret }}
    - {name: leader-sidecar-etcd, mountPath: /etc/leader-sidecar/etcd, readOnly: true}
    {{- end }}
    {{- if $sidecar.resume }}
    - {name: leader-sidecar-state, mountPath: /var/run/leader-sidecar}
    {{- end }}
{{- end }}

{{/* The volumes of that container: a token of its own, whatever the pod does about its service account's. */}}
{{- define "leader-sidecar.volumes" -}}
{{- $values := include "leader-sidecar.values" . | fromYaml -}}
- name: leader-sidecar-token
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- with $values.sidecar.etcd.tlsSecret }}
- name: leader-sidecar-etcd
  secret: {secretName: {{ . | quote }}, defaultMode: 0444}
{{- end }}
{{- if $values.sidecar.resume }}
- name: leader-sidecar-state
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end }}
{{- end }}

{{/* This chart's values, here and in a chart that depends on it. */}}
{{- define "leader-sidecar.values" -}}
{{- .values | default (index .root.Values "leader-sidecar" | default .root.Values) | toYaml -}}
{{- end }}

{{/* An election's name, refused as the sidecar would refuse it. */}}
{{- define "leader-sidecar.election" -}}
{{- $name := required "leader-sidecar.container: give the election's name" .election -}}
{{- if or (not (regexMatch "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" $name)) (gt (len $name) 57) (eq $name "inject") (hasSuffix ".token" $name) -}}
{{- fail (printf "election %q: use at most 57 lowercase letters, digits, '-' and '.', a letter or digit first and last; not inject, not ending in .token" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}
