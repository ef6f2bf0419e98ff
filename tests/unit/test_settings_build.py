"""Flags and environment become settings: where each value comes from, and what is refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.errors import ExitCode
from sidecar.settings import (
    DECLARATIONS,
    InvalidSettings,
    Settings,
    Surroundings,
    UserLabel,
    build,
    read_etcd_password,
)
from sidecar.settings.build import Given

REQUIRED: dict[str, Given] = {"elections": ("demo",), "etcd_endpoints": "http://127.0.0.1:2379"}


@pytest.fixture
def outside(tmp_path: Path) -> Surroundings:
    """A machine outside any cluster, with nothing in its environment."""
    return Surroundings({}, "some-host", tmp_path / "no-service-account", on_terminal=False)


@pytest.fixture
def pod(tmp_path: Path) -> Surroundings:
    """A pod with its service account mounted and the downward API's variables."""
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("from-file\n")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "POD_NAME": "web-0", "POD_UID": "u-1"}
    return Surroundings(environ, "some-host", tmp_path, on_terminal=False)


def with_environment(surroundings: Surroundings, **more: str) -> Surroundings:
    return replace(surroundings, environ={**surroundings.environ, **more})


def refused(flags: dict[str, Given], surroundings: Surroundings) -> list[tuple[str, str, ExitCode]]:
    """What ``build`` says against these flags: setting, whole line, exit code."""
    with pytest.raises(InvalidSettings) as caught:
        build(REQUIRED | flags, surroundings)
    return [(error.setting, str(error), error.exit_code) for error in caught.value.errors]


def test_the_least_that_must_be_given_is_an_election_and_etcd(outside: Surroundings) -> None:
    settings = build(REQUIRED, outside)
    assert settings == Settings(
        elections=("demo",),
        lock_name="/leader-sidecar/{namespace}/{election}",
        identity="some-host",
        max_promise_seconds=2.0,
        etcd_endpoints=("http://127.0.0.1:2379",),
        labels=False,
        log_format="json",
    )
    assert settings.election == "demo"
    assert settings.lock("demo") == "/leader-sidecar/default/demo"
    assert settings.label_key("demo") == "leader-sidecar/demo"


def test_a_missing_election_and_missing_endpoints_are_both_told_as_wrong_usage(outside: Surroundings) -> None:
    with pytest.raises(InvalidSettings) as caught:
        build({}, outside)
    assert [error.setting for error in caught.value.errors] == ["--election", "--etcd-endpoints"]
    assert caught.value.exit_code == ExitCode.USAGE
    assert "LEADER_SIDECAR_ELECTION" in str(caught.value.errors[0])


def test_every_setting_can_come_from_the_environment(outside: Surroundings, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key", "config"):
        (tmp_path / name).write_text("x")
    environ = {
        "ELECTION": "e1",
        "CLUSTER_NAME": "east",
        "LOCK_NAME": "/my-app/{election}",
        "IDENTITY": "me",
        "TTL": "20",
        "MAX_PROMISE": "1.5",
        "ETCD_ENDPOINTS": "https://a:1, https://b:2",
        "ETCD_CACERT": str(tmp_path / "ca"),
        "ETCD_CERT": str(tmp_path / "cert"),
        "ETCD_KEY": str(tmp_path / "key"),
        "ETCD_USER": "root",
        "ETCD_PASSWORD": "s3cret",
        "LISTEN": "127.0.0.1:1",
        "PROBE_LISTEN": ":2",
        "LABELS": "false",
        "LABEL": "example.com/role=primary/replica",
        "ROUTE": "web-leader",
        "ROUTE_GRACE": "0.5",
        "KUBECONFIG": str(tmp_path / "config"),
        "LABEL_SETTLE": "0",
        "NATIVE": "true",
        "FOLLOW_ROLLOUT": "true",
        "LABEL_PREFIX": "elections.example.com",
        "ON_ELECTED": "http://localhost:8080/elected",
        "ON_LOST": "http://[::1]:8080/lost?why",
        "LEADER_FILE": str(tmp_path / "leader"),
        "DRAIN_TIMEOUT": "5",
        "HOLD_OFF": "20",
        "HEALTH_CHECK": "http://localhost:8080/healthz",
        "HEALTH_PERIOD": "5",
        "HEALTH_TIMEOUT": "2",
        "HEALTH_FAILURE_THRESHOLD": "2",
        "HEALTH_SUCCESS_THRESHOLD": "4",
        "HEALTH_COOL_DOWN": "0",
        "HEALTH_IGNORE_AFTER": "60",
        "STATE_DIR": str(tmp_path),
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "debug",
    }
    given_by_file = {"etcd_password_file"}  # would contradict ETCD_PASSWORD
    assert {declaration.environment.removeprefix("LEADER_SIDECAR_") for declaration in DECLARATIONS.values()} == (
        environ.keys() | {DECLARATIONS[name].environment.removeprefix("LEADER_SIDECAR_") for name in given_by_file}
    )
    given = {"POD_NAME": "web-0", "POD_UID": "u-1", **{f"LEADER_SIDECAR_{k}": v for k, v in environ.items()}}
    settings = build({}, with_environment(outside, **given))
    assert settings == Settings(
        pod_name="web-0",
        pod_uid="u-1",
        elections=("e1",),
        cluster_name="east",
        lock_name="/my-app/{election}",
        identity="me",
        ttl_seconds=20,
        max_promise_seconds=1.5,
        etcd_endpoints=("https://a:1", "https://b:2"),
        etcd_cacert=tmp_path / "ca",
        etcd_cert=tmp_path / "cert",
        etcd_key=tmp_path / "key",
        etcd_user="root",
        etcd_password="s3cret",  # noqa: S106
        listen="127.0.0.1:1",
        probe_listen=":2",
        labels=False,
        label=UserLabel("example.com/role", "primary", "replica"),
        route="web-leader",
        route_grace_seconds=0.5,
        kubeconfig=tmp_path / "config",
        label_settle_seconds=0.0,
        native=True,
        label_prefix="elections.example.com",
        on_elected="http://localhost:8080/elected",
        on_lost="http://[::1]:8080/lost?why",
        leader_file=tmp_path / "leader",
        drain_timeout_seconds=5.0,
        hold_off_seconds=20.0,
        health_check="http://localhost:8080/healthz",
        health_period_seconds=5.0,
        health_timeout_seconds=2.0,
        health_failure_threshold=2,
        health_success_threshold=4,
        health_cool_down_seconds=0.0,
        health_ignore_after_seconds=60.0,
        state_dir=tmp_path,
        log_format="console",
        log_level="debug",
        follow_rollout=True,
    )


def test_following_a_rollout_without_labels_still_needs_to_know_the_own_pod(outside: Surroundings) -> None:
    with pytest.raises(InvalidSettings) as refused:
        build(REQUIRED | {"follow_rollout": True}, outside)
    assert [error.setting for error in refused.value.errors] == ["POD_NAME", "POD_UID"]
    assert "--follow-rollout" in str(refused.value)


def test_a_flag_wins_over_the_environment_and_an_empty_variable_is_none(outside: Surroundings) -> None:
    environment = {"LEADER_SIDECAR_TTL": "30", "LEADER_SIDECAR_IDENTITY": "", "LEADER_SIDECAR_NATIVE": "true"}
    settings = build(REQUIRED | {"ttl_seconds": "12", "native": False}, with_environment(outside, **environment))
    assert (settings.ttl_seconds, settings.identity, settings.native) == (12, "some-host", False)


def test_variables_that_kubernetes_makes_for_services_are_ignored(outside: Surroundings) -> None:
    made = {
        "LEADER_SIDECAR_PORT": "tcp://10.0.0.7:4040",
        "LEADER_SIDECAR_SERVICE_HOST": "10.0.0.7",
        "LEADER_SIDECAR_SERVICE_PORT": "4040",
        "LEADER_SIDECAR_PORT_4040_TCP_ADDR": "10.0.0.7",
    }
    assert build(REQUIRED, with_environment(outside, **made)) == build(REQUIRED, outside)


def test_no_setting_has_a_name_that_kubernetes_could_give_to_a_services_variable() -> None:
    service = re.compile(r"LEADER_SIDECAR(_.+)?_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9].*)?)")
    assert [d.environment for d in DECLARATIONS.values() if service.fullmatch(d.environment)] == []


def test_in_a_pod_the_label_is_kept_and_the_downward_api_names_the_candidate(pod: Surroundings) -> None:
    settings = build(REQUIRED, pod)
    assert (settings.labels, settings.identity, settings.pod_name, settings.pod_uid) == (True, "web-0", "web-0", "u-1")
    assert settings.namespace == "from-file"
    assert build(REQUIRED, with_environment(pod, POD_NAMESPACE="named")).namespace == "named"
    assert not build(REQUIRED | {"labels": False}, pod).labels


def test_a_label_needs_to_know_its_pod(pod: Surroundings) -> None:
    nameless = with_environment(pod, POD_NAME="", POD_UID="")
    assert [setting for setting, *_ in refused({}, nameless)] == ["POD_NAME", "POD_UID"]
    assert build(REQUIRED | {"labels": False}, nameless).identity == "some-host"


def test_a_lock_name_is_taken_to_the_letter_but_for_its_placeholders(outside: Surroundings) -> None:
    settings = build(REQUIRED | {"lock_name": "//a/{namespace}/./{other}/{election}/"}, outside)
    assert settings.lock("demo") == "//a/default/./{other}/demo/"


def test_the_cluster_is_part_of_the_default_lock_name(outside: Surroundings) -> None:
    assert build(REQUIRED | {"cluster_name": "east"}, outside).lock("demo") == "/leader-sidecar/east/default/demo"


@pytest.mark.parametrize(("ttl", "promise"), [("2", 1.8), ("3", 2.0), ("60", 2.0)])
def test_the_default_promise_is_never_longer_than_a_renewal_holds(
    outside: Surroundings, ttl: str, promise: float
) -> None:
    assert build(REQUIRED | {"ttl_seconds": ttl}, outside).max_promise_seconds == pytest.approx(promise)


BAD: list[tuple[dict[str, Given], str, ExitCode]] = [
    ({"elections": ("a", "b")}, "--election", ExitCode.USAGE),
    ({"elections": ("Demo",)}, "--election", ExitCode.CONFIG),
    ({"elections": ("inject",)}, "--election", ExitCode.CONFIG),
    ({"elections": ("",)}, "--election", ExitCode.CONFIG),
    ({"cluster_name": "a/b"}, "--cluster-name", ExitCode.CONFIG),
    ({"lock_name": ""}, "--lock-name", ExitCode.CONFIG),
    ({"lock_name": "leader-sidecar.meta/x"}, "--lock-name", ExitCode.CONFIG),
    ({"lock_name": "a\nb"}, "--lock-name", ExitCode.CONFIG),
    ({"identity": ""}, "--identity", ExitCode.CONFIG),
    ({"ttl_seconds": "1"}, "--ttl", ExitCode.CONFIG),
    ({"ttl_seconds": "-5"}, "--ttl", ExitCode.CONFIG),
    ({"ttl_seconds": "2.5"}, "--ttl", ExitCode.CONFIG),
    ({"ttl_seconds": "10s"}, "--ttl", ExitCode.CONFIG),
    ({"ttl_seconds": "99999999999"}, "--ttl", ExitCode.CONFIG),
    ({"max_promise_seconds": "0"}, "--max-promise", ExitCode.CONFIG),
    ({"max_promise_seconds": "9.5"}, "--max-promise", ExitCode.CONFIG),
    ({"max_promise_seconds": "nan"}, "--max-promise", ExitCode.CONFIG),
    ({"max_promise_seconds": "inf"}, "--max-promise", ExitCode.CONFIG),
    ({"drain_timeout_seconds": "1"}, "--drain-timeout", ExitCode.CONFIG),
    ({"label_settle_seconds": "-1"}, "--label-settle", ExitCode.CONFIG),
    ({"etcd_endpoints": ""}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": ","}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "127.0.0.1:2379"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "ftp://h:1"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "http://h"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "http://h:99999"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "http://h:1/path"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_endpoints": "http://[::1:2379"}, "--etcd-endpoints", ExitCode.CONFIG),
    ({"etcd_cacert": "/no/such/file", "etcd_endpoints": "https://h:1"}, "--etcd-cacert", ExitCode.NO_INPUT),
    ({"etcd_user": "root"}, "--etcd-user", ExitCode.CONFIG),
    ({"etcd_user": "root", "etcd_password_file": "/no/such"}, "--etcd-password-file", ExitCode.NO_INPUT),
    ({"state_dir": "/no/such"}, "--state-dir", ExitCode.NO_INPUT),
    ({"listen": "4040"}, "--listen", ExitCode.CONFIG),
    ({"listen": "localhost:70000"}, "--listen", ExitCode.CONFIG),
    ({"listen": "::1:4040"}, "--listen", ExitCode.CONFIG),
    ({"probe_listen": ":4040"}, "--probe-listen", ExitCode.CONFIG),
    ({"label": "role"}, "--label", ExitCode.CONFIG),
    ({"label": "role=a"}, "--label", ExitCode.CONFIG),
    ({"label": "role=a/a"}, "--label", ExitCode.CONFIG),
    ({"label": "role=a/b/c"}, "--label", ExitCode.CONFIG),
    ({"label": "role=/b"}, "--label", ExitCode.CONFIG),
    ({"label": "ro le=a/b"}, "--label", ExitCode.CONFIG),
    ({"label": "leader-sidecar/demo=a/b"}, "--label", ExitCode.CONFIG),
    ({"label_prefix": "a/b"}, "--label-prefix", ExitCode.CONFIG),
    ({"log_format": "xml"}, "--log-format", ExitCode.CONFIG),
    ({"log_level": "loud"}, "--log-level", ExitCode.CONFIG),
]


@pytest.mark.parametrize(("flags", "setting", "code"), BAD, ids=[str(flags) for flags, *_ in BAD])
def test_what_cannot_work_is_refused_in_one_line_that_names_setting_and_mend(
    outside: Surroundings, flags: dict[str, Given], setting: str, code: ExitCode
) -> None:
    (said,) = refused(flags, outside)
    assert (said[0], said[2]) == (setting, code)
    assert said[1].startswith(f"{setting}: ")
    assert "\n" not in said[1]


def test_a_bad_variable_is_named_as_such(outside: Surroundings) -> None:
    (said,) = refused({}, with_environment(outside, LEADER_SIDECAR_NATIVE="yes"))
    assert said[1] == "LEADER_SIDECAR_NATIVE: 'yes': write true or false"


def test_everything_wrong_is_said_at_once(outside: Surroundings) -> None:
    said = refused({"ttl_seconds": "x", "label": "x", "log_level": "x"}, outside)
    assert [setting for setting, *_ in said] == ["--ttl", "--label", "--log-level"]


def test_a_certificate_needs_its_key_and_https(outside: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("x")
    said = refused({"etcd_cert": str(tmp_path / "cert")}, outside)
    assert [setting for setting, *_ in said] == ["--etcd-key", "--etcd-endpoints"]


def test_one_password_is_enough_and_needs_a_user(outside: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    both = with_environment(outside, LEADER_SIDECAR_ETCD_PASSWORD="s3cret")  # noqa: S106
    said = refused({"etcd_password_file": str(tmp_path / "password")}, both)
    assert [setting for setting, *_ in said] == ["--etcd-password-file", "--etcd-user"]
    assert "s3cret" not in str(said)


def test_a_password_in_an_endpoint_is_refused_and_not_repeated(outside: Surroundings) -> None:
    said = refused({"etcd_endpoints": "https://root:s3,cr@et@h:1"}, outside)
    assert not any(part in str(said) for part in ("s3", "cr@", "root"))


def test_secrets_are_neither_described_nor_represented(outside: Surroundings) -> None:
    secret = with_environment(outside, LEADER_SIDECAR_ETCD_PASSWORD="s3cret")  # noqa: S106
    settings = build(REQUIRED | {"etcd_user": "root"}, secret)
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings.describe())
    assert settings.describe()["etcd-password"] == "set"
    assert read_etcd_password(settings) == "s3cret"


def test_the_password_file_is_read_anew_each_time(outside: Surroundings, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    settings = build(REQUIRED | {"etcd_user": "root", "etcd_password_file": str(file)}, outside)
    assert read_etcd_password(settings) == "old"
    file.write_text("new")
    assert read_etcd_password(settings) == "new"


def test_a_route_needs_a_pod_but_no_labels(pod: Surroundings) -> None:
    settings = build(REQUIRED | {"labels": False, "route": "web-leader"}, pod)
    assert (settings.labels, settings.route, settings.route_grace_seconds) == (False, "web-leader", 1.0)
    nameless = with_environment(pod, POD_NAME="", POD_UID="")
    refusals = refused({"labels": False, "route": "web-leader"}, nameless)
    assert [setting for setting, *_ in refusals] == ["POD_NAME", "POD_UID"]
    assert "leave out --route" in refusals[0][1]


@pytest.mark.parametrize("name", ["", "Web", "web_leader", "-web", "web-", "a" * 64, "shop/web", "web.shop"])
def test_a_route_is_the_name_of_a_service(pod: Surroundings, name: str) -> None:
    assert [setting for setting, *_ in refused({"route": name}, pod)] == ["--route"]


def test_a_native_sidecar_has_no_time_for_a_long_grace(pod: Surroundings) -> None:
    flags: dict[str, Given] = {"route": "web-leader", "native": True, "route_grace_seconds": "1.5"}
    assert [setting for setting, *_ in refused(flags, pod)] == ["--route-grace"]
    assert build(REQUIRED | flags | {"native": False}, pod).route_grace_seconds == 1.5
