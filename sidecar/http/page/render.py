"""The page's markup, a pure function of its facts. What comes from elsewhere passes through ``text`` or ``name``."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from sidecar import __version__
from sidecar.election.queue import LockKey, candidate_name, lease_hex
from sidecar.election.verdict import Transition, View
from sidecar.http.body import rfc3339
from sidecar.http.page.assets import assets
from sidecar.http.page.facts import Facts

MOST_SHOWN = 100
"""Rows of the queue; the rest is counted."""

SAID = {
    "resigned": ("", "Resigned: the lead goes to the next in the queue, and this pod stands at its end."),
    "not-leading": (" refused", "Not resigned: this pod does not lead, or leads no more."),
}
"""What the page says after a resignation, by what the query's ``said`` says; the class and the text."""

_STATES = {
    "connecting": "is connecting to etcd, or stands in no queue yet",
    "waiting": "waits in the queue",
    "leading": "leads",
    "unconfirmed": "led, and etcd has not confirmed it in time; it goes on trying",
    "draining": "leads no more, and waits for its workload",
    "standing_out": "takes no part",
    "stopped": "has stopped",
}

_ASK = """<form method="get" action="/"><input type="hidden" name="resign" value="ask">\
<button type="submit">Resign …</button></form>"""

_DO = """<form method="post" action="/resign?drain"><button type="submit" class="danger">Resign</button>
<a class="button" href="/">Keep the lead</a></form>"""


def status_page(facts: Facts, *, said: str | None) -> str:
    """``said`` is a key of ``SAID``, or else nothing is said."""
    view = facts.view
    css, line = SAID.get(said or "", ("", ""))
    main = assets().status.substitute(
        said=f'<p class="said{css}" role="status">{text(line)}</p>' if line else "",
        verdict=_verdict(view),
        facts="\n".join(f"<dt>{label}</dt><dd>{shown}</dd>" for label, shown in _facts(facts)),
        resign=_ASK if view.is_leader else "",
        queue=_queue(facts),
        history=_history(facts.history),
        as_of=time_of(facts.wall),
    )
    return _shell(facts, f"{view.election}: {view.leader or 'nobody'} leads", main)


def resign_page(facts: Facts) -> str:
    """The question before a resignation."""
    return _shell(facts, f"Resign from {facts.view.election}?", assets().resign.substitute(question=_question(facts)))


def _shell(facts: Facts, title: str, main: str) -> str:
    loaded, view = assets(), facts.view
    return loaded.shell.substitute(
        title=text(title),
        election=text(view.election),
        name=text(view.name),
        main=main,
        style=loaded.style,
        script=loaded.script,
        version=text(__version__),
    )


def _verdict(view: View) -> str:
    if view.is_leader:
        return f"This pod, {name(view.name)}, leads." + (" At risk: its renewals fail." if view.at_risk else "")
    if view.leader is None:
        return "Nobody is known to lead."
    return f"{name(view.leader)} leads." + (
        " (Another lease with this pod's name.)" if view.leader == view.name else ""
    )


def _facts(facts: Facts) -> Iterable[tuple[str, str]]:
    view = facts.view
    yield "This pod", text(_STATES[view.state])
    yield "Since", f"{time_of(view.since_seconds)} ({lasting(max(0.0, facts.wall - view.since_seconds))})"
    if view.valid_until is not None:
        yield "Valid for", _validity(view.valid_until - facts.now)
    yield "Fencing token", "none: it does not lead" if view.token is None else f"<code>{view.token}</code>"
    yield "Position", "unknown" if view.position is None else str(view.position)
    yield "Lease", f"<code>{text(view.id)}</code>" if view.id else "none"
    yield "Pod label", _label(facts.label_in_sync)
    yield "Health", _well(facts.ill, "ok")
    yield "Ready", _well(facts.unready, "yes")
    synced = "session and queue" if facts.label_in_sync is None else "session, queue and label"
    yield "In sync", _well(facts.out_of_sync, f"yes: {synced}")


def _validity(seconds: float) -> str:
    left_ms = max(0, int(seconds * 1000))
    return f'<span id="validity" role="timer" data-ms="{left_ms}">{left_ms / 1000:.1f} s</span> without a renewal'


def _label(in_sync: bool | None) -> str:
    if in_sync is None:
        return "none: labels are off"
    return _mark("good", "says what the verdict says") if in_sync else _mark("bad", "behind the verdict, or unknown")


def _well(trouble: str | None, well: str) -> str:
    return _mark("good", well) if trouble is None else _mark("bad", f"no: {trouble}")


def _mark(css: str, shown: str) -> str:
    return f'<span class="{css}">{text(shown)}</span>'


def _queue(facts: Facts) -> str:
    if facts.queue is None:
        return f'<p class="bad">Unknown: {text(facts.queue_trouble)}</p>'
    if not facts.queue:
        return "<p>Nobody stands in it.</p>"
    rows = (_candidate(facts, number, key) for number, key in enumerate(facts.queue[:MOST_SHOWN], start=1))
    more = len(facts.queue) - MOST_SHOWN
    table = _table("Queue", ("Position", "Name", "Token", "Lease"), rows)
    return table + (f"<p>and {more} more</p>" if more > 0 else "")


def _candidate(facts: Facts, number: int, key: LockKey) -> str:
    view, lease = facts.view, lease_hex(facts.lock, key.name) or ""
    leads = view.leader is not None and lease == view.leader_id
    notes = [note for note, holds in (("leads", leads), ("this pod", lease == view.id)) if holds]
    noted = f' <span class="quiet">({", ".join(notes)})</span>' if notes else ""
    current = ' aria-current="true"' if leads else ""
    shown = name(candidate_name(facts.lock, key))
    return (
        f'<tr{current}><td>{number}</td><th scope="row" class="name">{shown}{noted}</th>'
        f"<td>{key.create_revision}</td><td><code>{text(lease)}</code></td></tr>"
    )


def _history(transitions: Iterable[Transition]) -> str:
    rows = [
        f"<tr><td>{time_of(each.at_seconds)}</td><td>{text(each.from_state)} → {text(each.to_state)}</td>"
        f"<td>{text(each.reason or '')}</td><td>{'' if each.token is None else each.token}</td>"
        f"<td>{lasting(each.duration_seconds)}</td></tr>"
        for each in transitions
    ]
    if not rows:
        return "<p>Nothing yet.</p>"
    return _table("History", ("At", "Change", "Reason", "Token", "Earlier state lasted"), rows)


def _table(label: str, columns: Iterable[str], rows: Iterable[str]) -> str:
    """In a region that scrolls where the window is narrow, and can be scrolled by keys."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    return (
        f'<div class="scroll" role="region" aria-label="{text(label)} table" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _question(facts: Facts) -> str:
    view = facts.view
    if not view.is_leader:
        return '<p>This pod does not lead: there is nothing to resign.</p><p><a class="button" href="/">Back</a></p>'
    return f"<p>{name(view.name)} gives the lead of {name(view.election)} up: {_next(facts)}</p>{_DO}"


def _next(facts: Facts) -> str:
    order = "its workload is told and the label goes off, then the lock goes to "
    if facts.queue is None:
        return order + "the next in the queue, which is unknown now. This pod rejoins at the end."
    others = [key for key in facts.queue if lease_hex(facts.lock, key.name) != facts.view.id]
    if not others:
        return order + "nobody else: no other stands in the queue, so this pod wins again."
    return f"{order}{name(candidate_name(facts.lock, others[0]))}. This pod rejoins at the queue's end."


def text(given: str) -> str:
    """Safe between tags and within quoted attributes."""
    return escape(given, quote=True)


def name(given: str) -> str:
    """A name that others chose, kept from turning the text around it (Unicode's bidirectional controls)."""
    return f"<bdi>{text(given)}</bdi>"


def time_of(epoch_seconds: float) -> str:
    shown = datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f'<time datetime="{rfc3339(epoch_seconds)}">{shown}</time>'


def lasting(seconds: float) -> str:
    """For people: ``40 ms``, ``3.2 s``, ``2 min 3 s``, ``4 d 1 h``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(index for index, (count, _) in enumerate(units) if count)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2])
