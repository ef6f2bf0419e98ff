"""Findings about etcd, from what a survey of it showed."""

from collections.abc import Iterable, Iterator

from sidecar.check.finding import Finding, Id, error, note, warning
from sidecar.election.lease import attempt_seconds
from sidecar.errors import AuthenticationFailed, EtcdError, NoSpace, PermissionDenied
from sidecar.etcd.survey import Member, Session, Survey
from sidecar.etcd.version import outdated

_WHERE = "etcd"


def findings(survey: Survey, ttl_seconds: int) -> Iterator[Finding]:
    if survey.user is not None:
        mend = "give the right --etcd-user with its --etcd-password-file"
        yield error(Id.ETCD_USER, _WHERE, f"it refuses the user: {survey.user}", mend)
    yield from members(survey.members)
    yield from slow(survey.members, survey.session, ttl_seconds)
    yield from session(survey.session, ttl_seconds)
    yield from rights(survey.rights, survey.session)


def members(found: Iterable[Member]) -> Iterator[Finding]:
    found = tuple(found)
    for member in found:
        if member.version is None and not _is_refusal(member.error):
            mend = "start it, mend the network between, or take it out of --etcd-endpoints"
            yield warning(Id.ETCD_MEMBER_AWAY, member.where, f"does not answer: {member.error}", mend)
        if member.version is not None:
            yield from _version(member.where, member.version)
    clusters = {member.cluster_id for member in found if member.cluster_id is not None}
    if len(clusters) > 1:
        named = ", ".join(f"{cluster:x}" for cluster in sorted(clusters))
        what = f"the endpoints belong to different clusters ({named}): there would be a leader in each"
        yield error(Id.ETCD_CLUSTERS, _WHERE, what, "name members of one etcd cluster in --etcd-endpoints")


def slow(found: Iterable[Member], renewed: Session, ttl_seconds: int) -> Iterator[Finding]:
    """An attempt has the TTL/8; one that comes near to it will fail on a worse day."""
    bound = attempt_seconds(renewed.granted_seconds or ttl_seconds)
    times = [(member.where, "a linearizable read", member.read_seconds) for member in found]
    times.append((_WHERE, "a renewal with its confirmation", renewed.renew_seconds))
    for where, what, took in times:
        if took is None or took < bound / 2:
            continue
        said = f"{what} took {took * 1000:.0f} ms; an attempt has {bound * 1000:.0f} ms with this TTL"
        mend = "look at etcd's disk (fsync) and at the network, or give a longer --ttl"
        yield (error if took >= bound else warning)(Id.ETCD_SLOW, where, said, mend)


def session(found: Session, ttl_seconds: int) -> Iterator[Finding]:
    if isinstance(found.error, NoSpace):
        what = "its space is used up (NOSPACE): it takes no new candidates, and a leader that resigns cannot come back"
        yield error(
            Id.ETCD_FULL, _WHERE, what, "compact and defragment it, then disarm the alarm (etcdctl alarm disarm)"
        )
    elif found.error is not None and not _is_refusal(found.error):  # those are told by whom they refuse
        mend = "see which members answer; without a quorum nobody can lead"
        yield error(Id.ETCD_UNREACHABLE, _WHERE, f"no lease can be had and kept: {found.error}", mend)
    if found.granted_seconds is not None and found.granted_seconds > ttl_seconds:
        what = f"--ttl {ttl_seconds}: it grants {found.granted_seconds:g} s, and what it grants counts"
        mend = "give that as --ttl, or lower etcd's --election-timeout: its least TTL is one and a half of that"
        yield warning(Id.TTL_RAISED, _WHERE, what, mend)


def rights(found: dict[str, EtcdError | None], renewed: Session) -> Iterator[Finding]:
    """The first prefix is the lock's, without which nobody can lead."""
    for number, (prefix, against) in enumerate(found.items()):
        if isinstance(against, PermissionDenied):
            what = f"the user may not read and write below {prefix.rstrip('/')}/"
            yield (warning if number else error)(Id.ETCD_RIGHTS, _WHERE, what, _RIGHTS_MEND)
        elif against is not None and renewed.error is None:
            what = f"it takes no transaction below {prefix.rstrip('/')}/: {against}"
            yield error(Id.ETCD_UNREACHABLE, _WHERE, what, "see which members answer, and etcd's own log")


def strangers(
    names: Iterable[str], pods: Iterable[str], *, named_cluster: bool, default_lock: bool
) -> Iterator[Finding]:
    """Candidates of this queue that are no pods of this namespace; with a lock name of one's own that may be meant."""
    unknown = sorted({name for name in names if name} - set(pods))
    if not unknown or not default_lock:
        return
    shown = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
    what = f"the queue has candidates that are no pods of this namespace: {shown}"
    mend = "compare their --cluster-name with yours, or the --identity they were given"
    if not named_cluster:
        mend = "where another cluster uses this etcd, give each its --cluster-name: else their elections are one"
    yield warning(Id.STRANGERS, _WHERE, what, mend)


def _version(where: str, version: str) -> Iterator[Finding]:
    old = outdated(version)
    if old is None:
        what = f"its version {version!r} cannot be read"
        yield note(Id.ETCD_VERSION_UNKNOWN, where, what, "make sure that it is 3.4.31, 3.5.13, 3.6.0 or later")
    if old:
        what = f"etcd {version}: its leader revokes leases in use once its disk was stuck, and leads are lost by it"
        yield error(
            Id.ETCD_OUTDATED, where, what, "upgrade to 3.4.31, 3.5.13, 3.6.0 or later, or set --hold-off to the TTL"
        )


def _is_refusal(found: EtcdError | None) -> bool:
    return isinstance(found, AuthenticationFailed | PermissionDenied)


_RIGHTS_MEND = "grant the user's role read and write on that prefix (etcdctl role grant-permission --prefix)"
