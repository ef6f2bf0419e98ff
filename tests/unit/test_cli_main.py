"""The program's face: one line for each error, sysexits codes, and help without loading the sidecar."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from sidecar import __version__
from sidecar.cli import main
from sidecar.errors import ExitCode

Outcome = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs the program in this process: exit code, standard output, standard error."""
    monkeypatch.delenv("LEADER_SIDECAR_ELECTION", raising=False)

    def run_program(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exited:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return exited.value.code, out, err

    return run_program


def test_the_version_is_the_packages(run: Callable[..., Outcome]) -> None:
    code, out, _ = run("--version")
    assert (code, __version__ in out) == (ExitCode.OK, True)


@pytest.mark.parametrize("command", ["run", "demo", "resign", "transfer", "status", "exec", "wait"])
def test_each_command_has_help(run: Callable[..., Outcome], command: str) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (ExitCode.OK, "")
    assert f"leader-sidecar {command}" in out


def test_without_a_command_help_is_shown_as_wrong_usage(run: Callable[..., Outcome]) -> None:
    code, out, err = run()
    assert (code, out) == (ExitCode.USAGE, "")
    assert "Commands:" in err


@pytest.mark.parametrize(
    "arguments",
    [["--bogus"], ["bogus"], ["run", "--bogus"], ["run", "stray"], ["run", "--ttl"], ["demo", "--rounds", "0"]],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_64(run: Callable[..., Outcome], arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith("leader-sidecar: ")
    assert err.count("\n") == 1


def test_each_bad_setting_has_a_line_of_its_own(run: Callable[..., Outcome]) -> None:
    code, _, err = run("run", "--election", "Demo", "--etcd-endpoints", "http://h:1", "--ttl", "1.5")
    assert code == ExitCode.CONFIG
    assert [line.split(": ")[1] for line in err.splitlines()] == ["--election", "--ttl"]


def test_a_password_is_no_flag(run: Callable[..., Outcome]) -> None:
    assert run("run", "--etcd-password", "x")[0] == ExitCode.USAGE
    assert "--etcd-password " not in run("run", "--help")[1]


@pytest.mark.parametrize("command", ["run", "exec"])
def test_help_loads_nothing_that_only_a_running_sidecar_needs(command: str) -> None:
    heavy = {"grpc", "fastapi", "uvicorn", "kubernetes", "prometheus_client", "asyncio", "rich", "pythonjsonlogger"}
    heavy |= {"ctypes", "http.client"}  # of exec and wait
    program = (
        "import sys\nfrom sidecar.cli import main\n"
        f"try:\n    main([{command!r}, '--help'])\n"
        f"finally:\n    sys.stderr.write(','.join(sorted({heavy!r} & sys.modules.keys())))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == ""
