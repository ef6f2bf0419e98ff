"""``exec`` beside a sidecar: what the command is given, what its end means, signals, codes, and being process 1."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.children import Child, Deadline
from tests.support.commanded import PATIENCE_SECONDS, WITHOUT_PACKAGES, Beats, FakeSidecar, client


@pytest.fixture
def sidecar() -> Iterator[FakeSidecar]:
    with FakeSidecar() as fake:
        yield fake


@pytest.fixture
def beats(tmp_path: Path) -> Beats:
    return Beats(tmp_path / "beats")


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    deadline = Deadline(PATIENCE_SECONDS)
    while deadline.goes_on():
        if holds():
            return
    raise AssertionError(f"never: {what}")


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


# === What the command is given


def test_the_command_learns_election_token_and_deadline_and_later_deadlines_from_the_file(
    sidecar: FakeSidecar, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    script = f"""
        echo "$LEADER_SIDECAR_ELECTION $LEADER_SIDECAR_TOKEN $LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS" >>{out}
        while :; do
            . "$LEADER_SIDECAR_DEADLINE_FILE"
            echo "$LEADER_SIDECAR_ELECTION $LEADER_SIDECAR_TOKEN $LEADER_SIDECAR_VALID_UNTIL_BOOTTIME_NS" >>{out}
            sleep 0.05
        done"""
    sidecar.lead(7)

    def told() -> list[list[str]]:
        return [line.split() for line in out.read_text().splitlines()] if out.exists() else []

    with client(tmp_path, sidecar.address, shell(script)):
        wait_until("three deadlines", lambda: len({until for *_, until in told()}) >= 3)
    assert {(election, token) for election, token, _ in told()} == {("e", "7")}
    untils = [int(until) for *_, until in told()]
    assert untils == sorted(untils)


def test_the_password_for_etcd_is_not_the_commands_to_know(
    sidecar: FakeSidecar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADER_SIDECAR_ETCD_PASSWORD", "s3cret")
    monkeypatch.setenv("OTHER", "kept")
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, ["env"]) as process:
        process.wait()
    assert "OTHER=kept" in process.output()
    assert "s3cret" not in process.output()


def test_signals_that_python_ignores_or_the_guard_blocks_are_the_commands_own_again(
    sidecar: FakeSidecar, tmp_path: Path
) -> None:
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, shell("grep -E 'Sig(Blk|Ign)' /proc/self/status")) as process:
        process.wait()
    pythons = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))
    ignored_here = signal_masks(Path("/proc/self/status").read_text())["SigIgn"]  # as under nohup: that is inherited
    assert signal_masks(process.output()) == {"SigBlk": 0, "SigIgn": ignored_here & ~pythons}


def signal_masks(status: str) -> dict[str, int]:
    lines = [line.split() for line in status.splitlines() if line.startswith(("SigBlk:", "SigIgn:"))]
    return {name.removesuffix(":"): int(mask, 16) for name, mask in lines}


def test_a_deadline_file_is_where_it_was_wished_and_gone_at_the_end(sidecar: FakeSidecar, tmp_path: Path) -> None:
    file = tmp_path / "deadline"
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, shell(f"cat {file}; exit 0"), f"--deadline-file={file}") as process:
        assert process.wait() == 0
    assert "LEADER_SIDECAR_TOKEN=7\n" in process.output()
    assert not file.exists()


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="runs it as another user, by setpriv")
def test_a_command_of_an_ordinary_user_cannot_become_one_that_may_not_be_killed(
    sidecar: FakeSidecar, tmp_path: Path
) -> None:
    sidecar.lead(7)
    inner = client(tmp_path, sidecar.address, ["grep", "NoNewPrivs", "/proc/self/status"]).command
    with Child("nobody", ["setpriv", "--reuid=65534", "--clear-groups", *inner], tmp_path / "nobody.log") as process:
        assert process.wait() == 0
    assert "NoNewPrivs:\t1\n" in process.output()


def test_a_killed_exec_leaves_no_file_behind(sidecar: FakeSidecar, tmp_path: Path) -> None:
    sidecar.lead(7)
    script = 'echo "file: $LEADER_SIDECAR_DEADLINE_FILE"; sleep 60'
    with client(tmp_path, sidecar.address, shell(script)) as process:
        wait_until("its name", lambda: "file: " in process.output())
        (line,) = [line for line in process.output().splitlines() if line.startswith("file: ")]
        folder = Path(line.removeprefix("file: ")).parent
        assert folder.exists()
        process.kill()
        wait_until("gone", lambda: not folder.exists())


# === Its end, and what that means


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -USR1 $$", 138)])
def test_by_default_the_commands_end_gives_the_lead_up_and_its_code_is_ours(
    sidecar: FakeSidecar, tmp_path: Path, script: str, code: int
) -> None:
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, shell(script)) as process:
        assert process.wait() == code
    assert sidecar.resigned == [7]


def test_resign_gives_the_lead_up_and_waits_for_the_next_turn(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with client(tmp_path, sidecar.address, beats.command("quits=1"), "--on-exit=resign") as process:
        for turn, token in enumerate((7, 9), start=1):
            sidecar.lead(token)
            wait_until("a resignation", lambda token=token: token in sidecar.resigned)  # type: ignore[misc]
            assert [start.token for start in beats.starts()] == [7, 9][:turn]
        assert process.alive


def test_a_resignation_that_the_sidecar_refuses_is_tried_again(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    sidecar.refuses_to_resign = True
    with client(tmp_path, sidecar.address, beats.command("quits=1"), "--on-exit=resign") as process:
        sidecar.lead(7)
        wait_until("a complaint", lambda: "does not resign" in process.output())
        sidecar.refuses_to_resign = False
        wait_until("a resignation", lambda: sidecar.resigned == [7])
    assert len(beats.starts()) == 1


def test_restart_starts_it_again_and_keeps_the_lead(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, beats.command("quits=1"), "--on-exit=restart"):
        assert {start.token for start in beats.wait_for_starts(3)} == {7}
    assert sidecar.resigned == []


def test_a_lead_that_went_and_came_back_is_another_run_with_another_token(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with client(tmp_path, sidecar.address, beats.command()) as process:
        sidecar.lead(7)
        beats.wait_for_beats()
        sidecar.follow()
        beats.wait_until_gone()
        sidecar.lead(9)
        assert [start.token for start in beats.wait_for_starts(2)] == [7, 9]
        assert process.alive
    assert sidecar.resigned == [], "it was us who ended it"


def test_a_program_that_is_not_there_is_said_at_start(sidecar: FakeSidecar, tmp_path: Path) -> None:
    with client(tmp_path, sidecar.address, ["no-such-program"]) as process:
        assert process.wait() == 127
    assert process.output() == "leader-sidecar: exec: no-such-program: no such program that this process may run\n"


def test_a_program_that_cannot_be_run_after_all_is_126_and_gives_the_lead_up(
    sidecar: FakeSidecar, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF no more")
    program.chmod(0o755)
    sidecar.lead(7)
    with client(tmp_path, sidecar.address, [str(program)], "--on-exit=restart") as process:
        assert process.wait() == 126
    assert "the command cannot be started: Exec format error" in process.output()
    assert sidecar.resigned == [7]


# === Signals


def test_term_goes_to_the_command_and_its_answer_is_ours(sidecar: FakeSidecar, beats: Beats, tmp_path: Path) -> None:
    with client(tmp_path, sidecar.address, beats.command()) as process:
        sidecar.lead(7)
        beats.wait_for_beats()
        assert process.terminate() == 3
    assert beats.signals() == [signal.SIGTERM]
    assert sidecar.resigned == [7]


def test_a_command_may_take_longer_for_its_end_than_any_one_deadline_while_its_pod_leads(
    sidecar: FakeSidecar, tmp_path: Path
) -> None:
    sidecar.lead(7)
    script = "trap 'sleep 3; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with client(tmp_path, sidecar.address, shell(script)) as process:
        wait_until("ready", lambda: "ready" in process.output())
        assert process.terminate() == 5


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH])
def test_other_signals_are_passed_on_once_and_it_runs_on(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path, number: signal.Signals
) -> None:
    with client(tmp_path, sidecar.address, beats.command()) as process:
        sidecar.lead(7)
        beats.wait_for_beats()
        os.kill(process.pid, number)
        beats.wait_for("the signal", lambda beats: any(beat.what == f"signal {number}" for beat in beats))
        assert process.terminate() == 3
    assert beats.signals() == [number, signal.SIGTERM]


def test_a_follower_that_is_told_to_stop_ends_by_that_signal(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    with client(tmp_path, sidecar.address, beats.command()) as process:
        sidecar.follow()
        wait_until("its handlers", lambda: _catches(process, signal.SIGTERM))
        assert process.terminate() == 128 + signal.SIGTERM
    assert beats.all() == []


def _catches(process: Child, number: int) -> bool:
    (line,) = [x for x in Path(f"/proc/{process.pid}/status").read_text().splitlines() if x.startswith("SigCgt")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


# === Process 1


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="makes a process namespace of its own, which needs rights",
)
def test_as_process_1_it_reaps_what_others_leave_and_passes_the_code_on(
    sidecar: FakeSidecar, beats: Beats, tmp_path: Path
) -> None:
    inner = client(tmp_path, sidecar.address, beats.command("family")).command
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *inner]
    with Child("init", command, tmp_path / "init.log") as init:
        sidecar.lead(7)
        beats.wait_for_beats(pids=2)
        exec_pid = _child_of(init.pid)
        entered = ["nsenter", f"--target={exec_pid}", "--pid", "--mount"]
        # whoever is put into a running container by `kubectl exec` and dies leaves its children to process 1
        subprocess.run([*entered, *shell("(sleep 0.2) & exit 0")], check=True)
        zombies = [*entered, "ps", "-eo", "stat="]
        wait_until(
            "no zombie, and the orphan gone",
            lambda: (
                "Z" not in (out := subprocess.run(zombies, capture_output=True, text=True, check=True).stdout)
                and len(out.splitlines()) == 5
            ),  # exec, guard, command, its grandchild, ps
        )
        os.kill(exec_pid, signal.SIGTERM)
        assert init.wait() == 3
        beats.wait_until_still()


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


# === Bad input


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["exec"], "exec -- sleep 60"),
        (["exec", "--"], "exec -- sleep 60"),
        (["exec", "--bogus", "--", "true"], "--bogus"),
        (["exec", "--on-exit=x", "--", "true"], "--on-exit"),
        (["exec", "--sidecar=x", "--", "true"], "--sidecar: 'x': write HOST:PORT"),
        (["exec", "--deadline-file=/no/such/folder/x", "--", "true"], "--deadline-file: '/no/such/folder/x'"),
        (["wait", "--timeout=x"], "--timeout"),
        (["wait", "--", "true"], "takes no command"),
        ([], "exec|wait"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_that_says_what_to_mend(arguments: list[str], named: str) -> None:
    ran = subprocess.run([*WITHOUT_PACKAGES, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode in (64, 66, 78)
    assert ran.stderr.startswith("leader-sidecar")
    assert named in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_it_starts_before_its_sidecar_and_says_that_it_waits(beats: Beats, tmp_path: Path) -> None:
    with FakeSidecar() as gone:
        address = gone.address
    with client(tmp_path, address, beats.command()) as process:
        wait_until("a complaint", lambda: f"no sidecar answers on {address}" in process.output())
        assert process.alive
