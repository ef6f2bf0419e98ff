"""The real Kubernetes API that label tests stand on does what they count on."""

import pytest

from tests.support.controlplane import ControlPlane

pytestmark = pytest.mark.tools


def test_a_pods_token_is_its_own_and_may_do_nothing_by_itself(real_control_plane: ControlPlane) -> None:
    namespace = real_control_plane.create_namespace("token")
    pod = real_control_plane.create_pod(namespace, "a", labels={"app": "x"})
    token = real_control_plane.pod_token(namespace, "default", "a", pod["metadata"]["uid"])
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    who = real_control_plane.must("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, token=token)
    assert who["status"]["userInfo"]["username"] == "system:serviceaccount:token:default"
    assert who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]
    assert real_control_plane.request("GET", "/api/v1/namespaces/token/pods/a", token=token).status == 403


def test_a_deleted_pod_stays_terminating_until_grace_is_zero(real_control_plane: ControlPlane) -> None:
    namespace = real_control_plane.create_namespace("terminating")
    real_control_plane.create_pod(namespace, "a")
    real_control_plane.delete_pod(namespace, "a", grace_seconds=30)
    assert "deletionTimestamp" in real_control_plane.pod(namespace, "a")["metadata"]
    real_control_plane.delete_pod(namespace, "a")
    assert real_control_plane.request("GET", "/api/v1/namespaces/terminating/pods/a").status == 404


def test_a_stale_version_is_a_conflict_and_a_foreign_uid_is_invalid(real_control_plane: ControlPlane) -> None:
    namespace = real_control_plane.create_namespace("writes")
    pod = real_control_plane.create_pod(namespace, "a")
    path, merge = "/api/v1/namespaces/writes/pods/a", "application/merge-patch+json"

    def patch(**metadata: object) -> int:
        body = {"metadata": {"labels": {"x": "y"}, **metadata}}
        return real_control_plane.request("PATCH", path, body, content_type=merge).status

    version = pod["metadata"]["resourceVersion"]
    assert patch(resourceVersion=version, uid=pod["metadata"]["uid"]) == 200
    assert patch(resourceVersion=version) == 409
    assert patch(uid="00000000-0000-0000-0000-000000000000") == 422


def test_it_comes_back_with_its_state_after_being_killed(real_control_plane: ControlPlane) -> None:
    namespace = real_control_plane.create_namespace("restart")
    real_control_plane.create_pod(namespace, "a")
    real_control_plane.apiserver.kill()
    real_control_plane.apiserver.start()
    real_control_plane.wait_ready()
    assert real_control_plane.pod(namespace, "a")["metadata"]["name"] == "a"
