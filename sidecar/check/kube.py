"""Findings about rights, token and policy, from what a survey of the Kubernetes API showed."""

from collections.abc import Iterable, Iterator, Mapping

from sidecar.check.finding import Finding, Id, error, note, warning
from sidecar.kube.survey import MARK, RIGHTS, ROLLOUT_RIGHTS, ROUTE_RIGHTS, WIDE, Identity, Right, Said, Survey

_WHERE = "Kubernetes"
_BIND = "bind the ClusterRole leader-sidecar:candidate to the pod's service account, in its namespace"
_BIND_ROUTE = f"{_BIND.replace('candidate', 'route')} (the chart: route.enabled)"
_BIND_ROLLOUT = f"{_BIND} (the chart: sidecar.followRollout), or leave out --follow-rollout"
_PROJECT = "mount a projected serviceAccountToken volume (kubelet binds it to the pod), not a Secret's token"


def findings(
    survey: Survey,
    *,
    namespace: str,
    pod_name: str,
    pod_uid: str,
    labels: bool = True,
    routes: bool = False,
    rollouts: bool = False,
) -> Iterator[Finding]:
    """``labels`` and ``routes``: what the sidecar is to keep; ``rollouts``: whether it is to follow them."""
    if survey.reached.status in (0, 401):
        yield from _unreachable(survey.reached)
        return
    yield from identity(survey.identity, pod_name, pod_uid)
    yield from rights(survey.allowed, namespace, labels=labels, routes=routes, rollouts=rollouts)
    if survey.pod is None and survey.allowed.get(RIGHTS[0]):
        mend = "set POD_NAME and POD_NAMESPACE by the downward API"
        yield error(Id.DOWNWARD_API, _WHERE, f"there is no pod {namespace}/{pod_name}", mend)
    if survey.must_deny is not None and survey.allowed.get(RIGHTS[2]):
        yield from policy(survey.must_deny, survey.writes, survey.identity)


def identity(found: Identity | None, pod_name: str, pod_uid: str) -> Iterator[Finding]:
    if found is None:
        what = "the API server does not say whom it takes us for (SelfSubjectReview, Kubernetes 1.28 and later)"
        yield note(Id.TOKEN_UNKNOWN, _WHERE, what, f"make sure of it: {_PROJECT}")
    elif not found.user.startswith("system:serviceaccount:"):
        what = f"we are {found.user!r}, no service account: what the sidecars' own tokens may do was not seen"
        yield note(Id.TOKEN_UNKNOWN, _WHERE, what, "run check in the sidecar's container (kubectl exec)")
    elif not found.pod_name:
        what = f"the token of {found.user} is bound to no pod: the admission policy refuses it every write"
        yield error(Id.TOKEN_UNBOUND, _WHERE, what, _PROJECT)
    elif found.pod_name != pod_name or (pod_uid and found.pod_uid != pod_uid):
        what = f"the token is bound to pod {found.pod_name} ({found.pod_uid}), not to {pod_name} ({pod_uid})"
        mend = "set POD_NAME and POD_UID by the downward API, and give each pod its own token"
        yield error(Id.TOKEN_OF_ANOTHER, _WHERE, what, mend)


def rights(
    allowed: Mapping[Right, bool | None],
    namespace: str,
    *,
    labels: bool = True,
    routes: bool = False,
    rollouts: bool = False,
) -> Iterator[Finding]:
    if labels:
        yield from _missing(allowed, RIGHTS, namespace, _BIND)
    if routes:
        yield from _missing(allowed, ROUTE_RIGHTS, namespace, _BIND_ROUTE)
    if rollouts:
        yield from _missing(allowed, ROLLOUT_RIGHTS, namespace, _BIND_ROLLOUT)
    if allowed.get(MARK[0]) is False:
        what = "the right 'be candidates.leader-sidecar' is missing: by it the policy knows whom to restrict"
        yield warning(Id.MARK_MISSING, _WHERE, what, _BIND)
    if any(allowed.get(right) for right in WIDE):
        what = "this account may update pods: the policy leaves such accounts alone"
        yield warning(
            Id.RIGHTS_WIDE, _WHERE, what, "give the workload an account of its own, with the candidate's role only"
        )


def _missing(
    allowed: Mapping[Right, bool | None], needed: Iterable[Right], namespace: str, mend: str
) -> Iterator[Finding]:
    missing = [right for right in needed if allowed.get(right) is False]
    if missing:
        named = ", ".join(f"{verb} {resource}" for _, resource, verb in missing)
        what = f"no right in namespace {namespace} to: {named}"
        # without Events and owners label and route are kept all the same
        minor = all(resource == "events" or group == "apps" for group, resource, _ in missing)
        yield (warning if minor else error)(Id.RIGHTS_MISSING, _WHERE, what, mend)


def policy(must_deny: Said, writes: Mapping[str, Said], who: Identity | None) -> Iterator[Finding]:
    if must_deny.status == 200:
        if who is not None and who.user.startswith("system:serviceaccount:"):
            what = "a foreign annotation on the own pod was accepted (dry run): no policy restricts this account"
            mend = "install the ValidatingAdmissionPolicy leader-sidecar with its binding (docs/security.md)"
            yield warning(Id.POLICY_MISSING, _WHERE, what, mend)
    elif must_deny.status != 403:
        mend = "look at the policy's status.typeChecking; expressions that err refuse everything"
        yield error(Id.POLICY_BROKEN, _WHERE, f"the policy errs: {must_deny.status} {must_deny.message}", mend)
    for role, said in writes.items():
        if said.status == 403:
            why = said.causes[0] if said.causes else said.message
            mend = "let the policy's keys and values cover --label-prefix and --label (the chart's values do)"
            yield error(Id.POLICY_REFUSES, _WHERE, f"the label that says {role} is refused (dry run): {why}", mend)
        elif said.status not in (200, 0, must_deny.status):
            what = f"the label that says {role} is not accepted (dry run): {said.status} {said.message}"
            yield error(Id.POLICY_REFUSES, _WHERE, what, "the message names what the API server does not like")


def _unreachable(said: Said) -> Iterator[Finding]:
    if said.status == 401:
        mend = "mount a fresh projected token; a removed pod's token is refused for ever"
        yield error(Id.KUBE_UNREACHABLE, _WHERE, "the API server does not accept the token (401)", mend)
        return
    what = f"the API server gives no answer: {said.message}"
    mend = "let the pod reach it (NetworkPolicy, proxy), or run with --no-labels; leadership stands without it"
    yield error(Id.KUBE_UNREACHABLE, _WHERE, what, mend)
