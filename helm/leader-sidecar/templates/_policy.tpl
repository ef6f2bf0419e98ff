{{/* Whom the policies hold back: who has the mark, but not the wildcard of an administrator. */}}
{{- define "leader-sidecar.candidates" -}}
- name: is-a-service-account
  expression: request.userInfo.username.startsWith('system:serviceaccount:')
- name: is-a-candidate
  expression: >-
    authorizer.group('leader-sidecar').resource('candidates').namespace(request.namespace).check('be').allowed()
# The candidates' role has no `update`: who may do that needs no role of ours to change pods.
- name: may-not-change-pods-anyway
  expression: >-
    !authorizer.group('').resource('pods').namespace(request.namespace).check('update').allowed()
{{- end }}
