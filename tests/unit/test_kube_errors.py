"""What each answer of the API server means, as Kubernetes gives it (observed on 1.36)."""

import pytest

from sidecar.errors import KubeConflict, KubeError, KubeForbidden, KubeUnauthorized, KubeUnavailable, PodGone
from sidecar.kube.client import translate

UID = {"details": {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}}
LABELS = {"details": {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.labels"}]}}


@pytest.mark.parametrize(
    ("status", "answer", "meaning"),
    [
        pytest.param(401, {}, KubeUnauthorized, id="the token is refused"),
        pytest.param(403, {"message": "cannot patch"}, KubeForbidden, id="no right"),
        pytest.param(404, {}, PodGone, id="no such pod"),
        pytest.param(409, {}, KubeConflict, id="stale version"),
        pytest.param(409, UID, KubeConflict, id="stale version and another uid"),
        pytest.param(422, UID, PodGone, id="another uid"),
        pytest.param(422, LABELS, KubeForbidden, id="a label that Kubernetes refuses"),
        pytest.param(422, {}, KubeForbidden, id="an expression of the policy failed"),
        pytest.param(422, {"details": {"causes": None}}, KubeForbidden, id="no causes"),
        pytest.param(400, {}, KubeForbidden, id="a request that makes no sense"),
        pytest.param(408, {}, KubeUnavailable, id="the request took too long"),
        pytest.param(429, {}, KubeUnavailable, id="too many requests"),
        pytest.param(500, {}, KubeUnavailable, id="an internal error"),
        pytest.param(503, {}, KubeUnavailable, id="not ready"),
        pytest.param(504, {}, KubeUnavailable, id="a timeout in the server"),
        pytest.param(307, {}, KubeUnavailable, id="a redirect"),
    ],
)
def test_an_answer_is_translated(status: int, answer: dict[str, object], meaning: type[KubeError]) -> None:
    error = translate("PATCH pods/a", status, answer)
    assert type(error) is meaning
    assert str(error).startswith(f"PATCH pods/a: {status}")
