from __future__ import annotations

from tests.support.helm import CHART, Helm, Manifest
from tests.support.manifests import containers, of_kind, one, pods


def hook(manifest: Manifest) -> tuple[str, int]:
    """When Helm makes an object apart from the others, and its place among those; "" for the others."""
    annotations = manifest["metadata"].get("annotations", {})
    return annotations.get("helm.sh/hook", ""), int(annotations.get("helm.sh/hook-weight", 0))


def test_the_schema_is_brought_up_before_the_services_that_need_it(rendered: list[Manifest]) -> None:
    assert hook(one(rendered, "Job", "migrate")) == ("pre-install,pre-upgrade", 0)


def test_the_migration_logs_as_the_services_do(rendered: list[Manifest]) -> None:
    assert containers(rendered)["migrate"]["args"] == ["migrate", "--log"]


def test_the_migration_needs_nothing_of_what_comes_after_it(rendered: list[Manifest]) -> None:
    """Else a new password would not reach it, and a new installation would wait for its Secret for ever."""
    pod = pods(rendered)["migrate"]["spec"]
    assert "serviceAccountName" not in pod
    assert not pod["containers"][0].get("envFrom")
    (secret,) = (each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each)
    needed = [each for each in of_kind(rendered, "Secret") if each["metadata"]["name"] == secret]
    needed += [one(rendered, "NetworkPolicy", "migrate")]
    assert [hook(each) for each in needed] == [("pre-install,pre-upgrade", -5)] * len(needed)


def test_the_secret_of_the_migration_goes_with_it_and_has_what_it_needs_alone(helm: Helm) -> None:
    secret = one(helm.render(CHART / "ci" / "small.yaml"), "Secret", "migrate")
    policies = secret["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
    assert policies == ["before-hook-creation", "hook-succeeded"]
    assert secret["stringData"].keys() == {"CROSSDOCK_DATABASE_URL"}


def test_the_secret_that_is_there_already_serves_the_migration_too(helm: Helm) -> None:
    objects = helm.render(CHART / "ci" / "keda.yaml")
    pod = pods(objects)["migrate"]["spec"]
    assert pod["volumes"][0]["secret"]["secretName"] == "crossdock"  # that is the one of the values
    assert of_kind(objects, "Secret") == []


def test_the_migration_may_have_a_database_url_of_its_own(helm: Helm) -> None:
    objects = helm.render(CHART / "ci" / "small.yaml", migration__secret="of-the-owner")
    mounted = {
        service: {volume["secret"]["secretName"] for volume in pod["spec"]["volumes"]}
        for service, pod in pods(objects).items()
    }
    assert mounted["migrate"] == {"of-the-owner"}
    assert "of-the-owner" not in mounted["api"]
    assert not [each for each in of_kind(objects, "Secret") if each["metadata"]["name"].endswith("-migrate")]
