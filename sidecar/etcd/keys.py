"""From etcd's messages to the queue's words and back: keys, headers, and the requests of the recipe."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sidecar.election.past import Past, leading_name, read_past, released_name
from sidecar.election.queue import Header, LockKey
from sidecar.etcd.port import Note
from sidecar.etcd.protocol import rpc

SHORT_QUEUE = 64
"""Up to this many keys below a lock, a read brings all of them; of more it brings only those that matter."""


def encoded(text: str) -> bytes:
    """Names and values as etcd has them; command lines bring bytes that are not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def header_of(header: Any) -> Header:
    return Header(header.cluster_id, header.member_id, header.revision, header.raft_term)


def key_of(pair: Any, name: str) -> LockKey:
    """A KeyValue whose name is known already."""
    identity = pair.value.decode("utf-8", "replace")
    return LockKey(name, pair.create_revision, pair.mod_revision, pair.lease, identity)


def keys_below(lock: str, pairs: Iterable[Any]) -> list[LockKey]:
    """Names that are not UTF-8 are shown with backslashes: no candidate has such."""
    skipped = len(encoded(lock))
    return [key_of(pair, lock + pair.key[skipped:].decode("utf-8", "backslashreplace")) for pair in pairs]


def one_key(name: str) -> Any:
    return rpc.RangeRequest(key=encoded(name))


def below(lock: str, *, descending: bool = False, limit: int = 0, up_to_revision: int = 0) -> Any:
    """The keys below a lock by create revision; 0 means no limit, and no highest create revision."""
    return rpc.RangeRequest(
        key=encoded(lock) + b"/",
        range_end=encoded(lock) + b"0",  # "0" comes after "/"
        sort_target=rpc.RangeRequest.CREATE,
        sort_order=rpc.RangeRequest.DESCEND if descending else rpc.RangeRequest.ASCEND,
        limit=limit,
        max_create_revision=up_to_revision,
    )


def reading(*ranges: Any) -> Any:
    """Several reads at one revision; linearizable, since a transaction is."""
    return rpc.TxnRequest(success=[rpc.RequestOp(request_range=request) for request in ranges])


def past_of(lock: str) -> list[Any]:
    """The reads that ``past_in`` takes the answers of."""
    return [one_key(leading_name(lock)), one_key(released_name(lock))]


def past_in(responses: Sequence[Any]) -> Past:
    """From the answers to ``past_of``; of none nothing is known."""
    values = [next((pair.value.decode("utf-8", "replace") for pair in each.kvs), None) for each in responses]
    return read_past(*values) if values else Past()


def claiming(name: str, lease_id: int, identity: str, along: Sequence[Any], others: Mapping[str, str]) -> Any:
    """Put the key unless it is there, else read it; ``along`` are reads that go with it either way.

    ``others`` are names and values put together with the key, on the same lease.
    """
    put, *more = [_putting(name, value, lease_id) for name, value in ((name, identity), *others.items())]
    get = rpc.RequestOp(request_range=one_key(name))
    reads = [rpc.RequestOp(request_range=request) for request in along]
    return rpc.TxnRequest(compare=[_created_at(name, 0)], success=[put, *reads, *more], failure=[get, *reads])


def recording(name: str, create_revision: int, note: Note) -> Any:
    """Read the key, and put the note if it is still the one."""
    get = rpc.RequestOp(request_range=one_key(name))
    compare = [_created_at(name, create_revision)]
    return rpc.TxnRequest(compare=compare, success=[get, _noting(note)], failure=[get])


def releasing(name: str, create_revision: int, mark: Note | None) -> Any:
    success = [_deleting(name), *([] if mark is None else [_noting(mark)])]
    return rpc.TxnRequest(compare=[_created_at(name, create_revision)], success=success)


def shifting(kept: Iterable[LockKey], gone: Sequence[LockKey], mark: Note | None) -> Any:
    compare = [_created_at(key.name, key.create_revision) for key in (*kept, *gone)]
    success = [*(_deleting(key.name) for key in gone), *([] if mark is None else [_noting(mark)])]
    return rpc.TxnRequest(compare=compare, success=success)


def writing(name: str, content: bytes | None, revision: int, leader: str, token: int) -> Any:
    """Put a value, or delete it, under both guards; else read the leader's key, to tell which of them failed."""
    key = encoded(name)
    unchanged = rpc.Compare(key=key, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=revision)
    put = None if content is None else rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=content))
    return rpc.TxnRequest(
        compare=[_created_at(leader, token), unchanged],
        success=[put or _deleting(name)],
        failure=[rpc.RequestOp(request_range=one_key(leader))],
    )


def watching(name: str, from_revision: int) -> Any:
    return rpc.WatchRequest(create_request=rpc.WatchCreateRequest(key=encoded(name), start_revision=from_revision))


def _noting(note: Note) -> Any:
    return _putting(note.name, note.value, 0)


def _deleting(name: str) -> Any:
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=encoded(name)))


def _putting(name: str, value: str, lease_id: int) -> Any:
    return rpc.RequestOp(request_put=rpc.PutRequest(key=encoded(name), value=encoded(value), lease=lease_id))


def _created_at(name: str, revision: int) -> Any:
    return rpc.Compare(key=encoded(name), target=rpc.Compare.CREATE, result=rpc.Compare.EQUAL, create_revision=revision)
