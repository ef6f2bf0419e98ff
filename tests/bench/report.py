"""The measurements as text: what was measured, the aim where there is one, and how it was measured."""

from collections.abc import Sequence

from tests.bench import command, crash, handover, hold, idle, imports, startup
from tests.bench.numbers import Spread


def handover_text(measured: handover.Handover) -> str:
    write, go_write = measured.write.p50, measured.go_write.p50
    rows = [
        ["write, Python", *_ms(measured.write), "1.0"],
        ["sidecar: POST sent -> event", *_ms(measured.from_post_to_event), _ratio(measured.from_post_to_event, write)],
        ["sidecar: POST sent -> 200", *_ms(measured.from_post), _ratio(measured.from_post, write)],
        ["sidecar: stopped leading -> event", *_ms(measured.from_log), _ratio(measured.from_log, write)],
        ["write, Go", *_ms(measured.go_write), "1.0"],
        *(
            [f"Go {kind}: release -> acquired", *_ms(spread), _ratio(spread, go_write)]
            for kind, spread in sorted(measured.go.items())
        ),
    ]
    aim = f"Aim: p50 <= 1.5 writes + 2 ms = {1.5 * write + 2:.2f} ms here."
    table = _table(["clean handover, ms", "n", "least", "p50", "p99", "p50 in writes"], rows)
    return f"{table}\n{aim}\n{handover.HOW}"


def crash_text(measured: crash.Crash) -> str:
    beyond = measured.beyond_ttl
    row = [f"TTL {measured.ttl_seconds} s", str(beyond.count), *map(_two, (beyond.least, beyond.p50, beyond.most))]
    table = _table(["crash: handover less TTL, s", "n", "least", "p50", "most"], [row])
    return f"{table}\nAim: <= 0.6 s.\n{crash.HOW}"


def startup_text(measured: startup.Startup) -> str:
    cpu, elapsed = measured.cpu, measured.elapsed
    rows = [
        [name, str(each.count), *map(_two, (each.least, each.p50, each.most))]
        for name, each in (("CPU", cpu), ("elapsed", elapsed))
    ]
    table = _table(["start to first /healthz, s", "n", "least", "p50", "most"], rows)
    return f"{table}\nAim: <= 1 s of CPU.\n{startup.HOW}"


def idle_text(measured: Sequence[idle.Idle], without_labels_because: str | None) -> str:
    rows = [
        [
            f"{each.role}, labels {'on' if each.labels else 'off'}",
            f"{each.memory.rss:.1f}",
            f"{each.memory.anonymous:.1f}",
            f"{each.cpu_ms_per_minute:.0f}",
            "" if each.etcd_per_minute is None else f"{sum(each.etcd_per_minute.values()):.1f}",
        ]
        for each in measured
    ]
    table = _table(["idle sidecar", "RSS MiB", "anonymous MiB", "CPU ms/min", "etcd requests/min"], rows)
    calls = [
        f"{each.role}: " + ", ".join(f"{name} {count:.1f}" for name, count in each.etcd_per_minute.items())
        for each in measured
        if each.etcd_per_minute is not None
    ]
    missing = [f"Labels on: not measured, {without_labels_because}"] if without_labels_because else []
    return "\n".join([table, *missing, *calls, "Aim: RSS <= 75 MiB, CPU <= 250 ms/min.", idle.HOW])


def imports_text(measured: imports.Imports) -> str:
    rows = [["Python itself", f"{measured.bare.rss:.1f}", f"{measured.bare.anonymous:.1f}", *[""] * 4]]
    rows += [
        [
            cost.package,
            *(f"{value:.1f}" for value in (cost.alone.rss, cost.alone.anonymous)),
            f"{cost.alone_cpu_ms:.0f}",
            *(f"{value:.1f}" for value in (cost.on_top.rss, cost.on_top.anonymous)),
            f"{cost.on_top_cpu_ms:.0f}",
        ]
        for cost in measured.costs
    ]
    head = ["import", "alone: RSS", "anon", "CPU ms", "on top: RSS", "anon", "CPU ms"]
    return f"{_table(head, rows)}\n{imports.HOW}"


def command_text(measured: command.Command) -> str:
    rows = [
        ["left of its validity when it is dead", *_ms(measured.left)],
        ["gap between two commands", *_ms(measured.gap)],
    ]
    table = _table(["command of exec, ms", "n", "least", "p50", "p99"], rows)
    return f"{table}\nAim: gap p50 <= 40 ms and the command's own start.\n{command.HOW}"


def hold_text(measured: hold.Hold) -> str:
    rows = [["workload killed -> event", *_ms(measured.to_event)], ["workload killed -> 200", *_ms(measured.to_200)]]
    table = _table(["workload with a hold dies, ms", "n", "least", "p50", "p99"], rows)
    return f"{table}\nAim: p50 <= 50 ms.\n{hold.HOW}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        return "  ".join([row[0].ljust(widths[0]), *padded[1:]]).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])


def _ms(each: Spread) -> list[str]:
    return [str(each.count), _two(each.least), _two(each.p50), _two(each.p99)]


def _ratio(each: Spread, write_ms: float) -> str:
    return f"{each.p50 / write_ms:.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"
