{{/* A text as a CEL string. */}}
{{- define "leader-sidecar.cel" -}}
'{{ . | replace "\\" "\\\\" | replace "'" "\\'" }}'
{{- end }}

{{/* A mapping of texts as a CEL map. */}}
{{- define "leader-sidecar.celMap" -}}
{ {{- range $i, $key := keys (. | default dict) | sortAlpha }}{{ if $i }}, {{ end }}{{ include "leader-sidecar.cel" $key }}: {{ include "leader-sidecar.cel" (toString (get $ $key)) }}{{ end -}} }
{{- end }}

{{/* Namespaces that injection and its check reach. */}}
{{- define "leader-sidecar.injectedNamespaces" -}}
{{- with .Values.injection.excludedNamespaces -}}
namespaceSelector:
  matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ toJson . }}}
{{- else -}}
namespaceSelector: {}
{{- end -}}
{{- end }}

{{/* What is asked of labels and annotations of a pod that wants a sidecar; `variables.meta` is its metadata,
`variables.hostNetwork` whether it has the node's network. */}}
{{- define "leader-sidecar.injectionVariables" -}}
- name: election
  expression: variables.meta.labels['leader-sidecar/inject']
- name: notes
  expression: variables.meta.?annotations.orValue({})
- name: label
  expression: variables.notes[?'leader-sidecar/label'].orValue('')
- name: labelKey
  expression: variables.label.split('=')[0]
- name: fixedKey
  expression: "'{{ .Values.sidecar.labelPrefix }}/' + variables.election"
{{- end }}

{{- define "leader-sidecar.injectionValidations" -}}
- expression: >-
    variables.election.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$') && size(variables.election) <= 57
    && variables.election != 'inject' && !variables.election.endsWith('.token')
  message: >-
    label leader-sidecar/inject: an election's name has at most 57 lowercase letters, digits, '-' and '.', a letter or
    digit first and last; it is not inject and does not end in .token
  reason: Invalid
- expression: >-
    variables.notes.all(k, !k.startsWith('leader-sidecar/') || k.endsWith('.token')
      || k in ['leader-sidecar/ttl', 'leader-sidecar/lock-name', 'leader-sidecar/etcd-endpoints', 'leader-sidecar/label',
        'leader-sidecar/route'])
  message: >-
    annotations below leader-sidecar/: there are ttl, lock-name, etcd-endpoints, label and route
  reason: Invalid
- expression: >-
    variables.notes[?'leader-sidecar/ttl'].orValue('10').matches('^([2-9]|[1-9][0-9]{1,8})$')
  message: >-
    annotation leader-sidecar/ttl: write whole seconds, at least 2
  reason: Invalid
- expression: >-
    variables.notes[?'leader-sidecar/lock-name'].orValue('x').matches('^[^[:cntrl:]]+$')
    && !variables.notes[?'leader-sidecar/lock-name'].orValue('x').startsWith('leader-sidecar.meta/')
  message: >-
    annotation leader-sidecar/lock-name: write a name in etcd, not below leader-sidecar.meta/
  reason: Invalid
- expression: >-
    variables.notes[?'leader-sidecar/etcd-endpoints'].orValue('http://x:1').split(',')
      .all(e, e.matches('^https?://([^][/@:?#[:space:]]+|[[][0-9a-fA-F:.]+[]]):[0-9]{1,5}/?$'))
  message: >-
    annotation leader-sidecar/etcd-endpoints: write http://HOST:PORT or https://HOST:PORT, several separated by commas
  reason: Invalid
- expression: >-
    !('leader-sidecar/label' in variables.notes)
    || variables.label.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,55}[A-Za-z0-9])?=[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')
      && !variables.labelKey.endsWith('.token')
      && !variables.labelKey.startsWith('{{ .Values.sidecar.labelPrefix }}/')
      && !variables.labelKey.startsWith('leader-sidecar/')
      && variables.label.split('=')[1].split('/')[0] != variables.label.split('=')[1].split('/')[1]
  message: >-
    annotation leader-sidecar/label: write KEY=LEADER/FOLLOWER, as in role=primary/replica; KEY is not one of the
    elections' own and does not end in .token
  reason: Invalid
- expression: >-
    variables.notes[?'leader-sidecar/route'].orValue('x').matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')
  message: >-
    annotation leader-sidecar/route: write the name of a Service in the pod's namespace
  reason: Invalid
- expression: "!variables.hostNetwork"
  message: >-
    hostNetwork: the sidecar's ports would be the node's, and its answers open to the whole node; write the container
    yourself, with --listen and --probe-listen
  reason: Invalid
{{- end }}
