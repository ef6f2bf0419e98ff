"""Which names are accepted, after Kubernetes' rules for labels and this project's own."""

from collections.abc import Callable

import pytest

from sidecar.names import election_problem, label_key_problem, label_value_problem, subdomain_problem

Rule = Callable[[str], str | None]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (election_problem, "a"),
        (election_problem, "my-app.v2"),
        (election_problem, "0" * 57),
        (subdomain_problem, "leader-sidecar"),
        (subdomain_problem, "a.b-c.d"),
        (label_key_problem, "role"),
        (label_key_problem, "example.com/Role_1"),
        (label_key_problem, "x" * 57),
        (label_value_problem, "Primary_1.x"),
        (label_value_problem, "x" * 63),
    ],
)
def test_good_names_are_accepted(rule: Rule, name: str) -> None:
    assert rule(name) is None


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (election_problem, ""),
        (election_problem, "A"),
        (election_problem, "a_b"),
        (election_problem, "-a"),
        (election_problem, "a."),
        (election_problem, "a/b"),
        (election_problem, "a\n"),
        (election_problem, "ä"),
        (election_problem, "0" * 58),
        (election_problem, "inject"),
        (election_problem, "a.token"),
        (subdomain_problem, ""),
        (subdomain_problem, "a..b"),
        (subdomain_problem, "a.-b"),
        (subdomain_problem, "A.b"),
        (subdomain_problem, "a" * 254),
        (label_key_problem, ""),
        (label_key_problem, "/role"),
        (label_key_problem, "a/b/c"),
        (label_key_problem, "Example.com/role"),
        (label_key_problem, "x" * 58),
        (label_key_problem, "role.token"),
        (label_key_problem, "-role"),
        (label_value_problem, ""),
        (label_value_problem, "a b"),
        (label_value_problem, "primary-"),
        (label_value_problem, "x" * 64),
    ],
)
def test_bad_names_are_refused_with_a_reason(rule: Rule, name: str) -> None:
    assert rule(name)
