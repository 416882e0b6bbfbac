from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.api import wiring
from services.process.ports import PATIENCE
from shared.settings.environment import Settings
from tests.support.helm import CHART, Helm, HelmError, Manifest
from tests.support.manifests import containers, leaves, of_kind, one, pods, variables
from tests.support.release import VERSION

SECRETS = {
    f"CROSSDOCK_{name.upper()}"
    for name, field in Settings.model_fields.items()
    if "SecretStr" in str(field.annotation)
}
SETTINGS = {f"CROSSDOCK_{name.upper()}" for name in Settings.model_fields}
SMALL = CHART / "ci" / "small.yaml"
WORKERS = ("importer", "exporter")
SERVICES = ("api", *WORKERS)


def test_no_container_runs_as_root(rendered: list[Manifest]) -> None:
    for pod in pods(rendered).values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] > 0
    for container in containers(rendered).values():
        assert not container["securityContext"].keys() & {"runAsUser", "runAsNonRoot", "privileged"}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_no_container_can_write_a_file(rendered: list[Manifest]) -> None:
    for container in containers(rendered).values():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert all(mount["readOnly"] for mount in container["volumeMounts"])
    for pod in pods(rendered).values():
        assert all(volume.keys() & {"secret", "configMap"} for volume in pod["spec"]["volumes"])


def test_every_container_has_requests_and_limits(rendered: list[Manifest]) -> None:
    assert containers(rendered).keys() == {*SERVICES, "migrate"}
    for container in containers(rendered).values():
        assert {kind: amounts.keys() for kind, amounts in container["resources"].items()} == {
            "requests": {"cpu", "memory"},
            "limits": {"cpu", "memory"},
        }


def test_every_service_is_probed_at_a_port_that_it_has(rendered: list[Manifest]) -> None:
    found = containers(rendered)
    for service in SERVICES:
        ports = {port["name"] for port in found[service]["ports"]}
        paths = {
            "startupProbe": "/-/liveness",
            "livenessProbe": "/-/liveness",
            "readinessProbe": "/-/readiness",
        }
        for probe, path in paths.items():
            assert found[service][probe]["httpGet"]["path"] == path
            assert found[service][probe]["httpGet"]["port"] in ports


def test_workers_are_probed_where_they_tell_their_metrics(rendered: list[Manifest]) -> None:
    for service in WORKERS:
        (port,) = containers(rendered)[service]["ports"]
        assert port["name"] == containers(rendered)[service]["readinessProbe"]["httpGet"]["port"] == "metrics"
        assert str(port["containerPort"]) == variables(rendered, service)["CROSSDOCK_METRICS_PORT"]


def test_the_api_listens_at_the_port_that_it_is_asked_at(rendered: list[Manifest]) -> None:
    ports = {port["name"]: str(port["containerPort"]) for port in containers(rendered)["api"]["ports"]}
    assert ports["http"] == variables(rendered, "api")["CROSSDOCK_PORT"]
    assert variables(rendered, "api")["CROSSDOCK_HOST"] == "0.0.0.0"  # noqa: S104  # in a pod


def test_every_variable_is_a_setting(rendered: list[Manifest]) -> None:
    for service in containers(rendered):
        for name in variables(rendered, service):
            ours = name.startswith("CROSSDOCK_")
            assert not ours or name in SETTINGS or name.removesuffix("_FILE") in SECRETS, name


def test_the_settings_are_read_as_they_are_given(
    rendered: list[Manifest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for service in containers(rendered):
        with monkeypatch.context() as environment:
            for name, value in variables(rendered, service).items():
                if name.endswith("_FILE"):
                    (tmp_path / name).write_text("from a file")
                environment.setenv(name, str(tmp_path / name) if name.endswith("_FILE") else value)
            assert Settings().database_url.get_secret_value() == "from a file"


def test_a_large_number_is_not_written_with_an_exponent(helm: Helm) -> None:
    assert variables(helm.render(SMALL), "importer")["CROSSDOCK_MAX_ARCHIVE_ENTRIES"] == "5000000"


def test_a_pod_has_more_time_to_end_than_it_takes_to_drain(rendered: list[Manifest]) -> None:
    for service in SERVICES:
        grace = pods(rendered)[service]["spec"]["terminationGracePeriodSeconds"]
        assert grace >= float(variables(rendered, service)["CROSSDOCK_DRAIN_SECONDS"]) + 10


def test_workers_that_keda_may_take_away_at_work_have_long_to_end_it(helm: Helm) -> None:
    objects = helm.render(CHART / "ci" / "keda.yaml")
    for service in WORKERS:
        assert pods(objects)[service]["spec"]["terminationGracePeriodSeconds"] > 7200
        assert float(variables(objects, service)["CROSSDOCK_DRAIN_SECONDS"]) >= 7200


def test_an_api_that_drains_is_found_not_ready_while_it_still_takes_requests(
    rendered: list[Manifest],
) -> None:
    drain = float(variables(rendered, "api")["CROSSDOCK_DRAIN_SECONDS"])
    probe = containers(rendered)["api"]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < drain * wiring._NOTICE


def test_every_service_has_time_to_wait_for_servers_that_are_starting(rendered: list[Manifest]) -> None:
    for service in SERVICES:
        probe = containers(rendered)[service]["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] > PATIENCE.total_seconds()


def test_variables_of_services_are_not_taken_for_settings(rendered: list[Manifest]) -> None:
    """A release of the name crossdock would set CROSSDOCK_..._PORT to tcp://... in every pod."""
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods(rendered).values())


def test_no_pod_can_ask_kubernetes_for_anything(rendered: list[Manifest]) -> None:
    assert all(pod["spec"]["automountServiceAccountToken"] is False for pod in pods(rendered).values())


def test_secrets_are_files_and_never_variables_or_in_a_config_map(helm: Helm) -> None:
    objects = helm.render(SMALL)
    secret = one(objects, "Secret", "all")
    assert secret["stringData"].keys() == SECRETS
    for manifest in objects:
        if manifest["kind"] != "Secret":
            assert not set(leaves(manifest)) & set(secret["stringData"].values())
    for service in SERVICES:
        assert not variables(objects, service).keys() & SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_among_the_settings_is_refused(helm: Helm, name: str) -> None:
    with pytest.raises(HelmError, match=name):
        helm.render(SMALL, **{f"settings__{name}": "hunter2"})


@pytest.mark.parametrize(
    "name", ["CROSSDOCK_HOST", "CROSSDOCK_PORT", "CROSSDOCK_METRICS_PORT", "CROSSDOCK_DRAIN_SECONDS"]
)
def test_what_the_chart_sets_is_refused_among_the_settings(helm: Helm, name: str) -> None:
    with pytest.raises(HelmError, match=name):
        helm.render(SMALL, **{f"settings__{name}": "1"})


@pytest.mark.parametrize(
    "missing", ["CROSSDOCK_DATABASE_URL", "CROSSDOCK_BROKER_URL", "CROSSDOCK_SECRETS_KEY"]
)
def test_what_no_service_can_do_without_is_asked_for(helm: Helm, missing: str) -> None:
    there = ",".join(sorted(SECRETS - {missing}))
    with pytest.raises(HelmError, match=f"{missing} is missing"):
        helm.render(SMALL, secrets__existing="of-ours", secrets__keys=f"{{{there}}}")


def test_a_setting_of_ours_is_refused_among_the_environment_of_libraries(helm: Helm) -> None:
    with pytest.raises(HelmError, match="CROSSDOCK_ROOT_TOKEN"):
        helm.render(SMALL, environment__CROSSDOCK_ROOT_TOKEN="hunter2")


@pytest.mark.parametrize(
    "name",
    ["OTEL_EXPORTER_OTLP_HEADERS", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "A_KEY"],
)
def test_a_secret_among_the_environment_of_libraries_is_refused(helm: Helm, name: str) -> None:
    with pytest.raises(HelmError, match=name):
        helm.render(SMALL, **{f"environment__{name}": "hunter2"})


def test_secrets_that_libraries_read_come_from_a_secret(helm: Helm) -> None:
    def sources(objects: list[Manifest], service: str) -> list[str]:
        found = containers(objects)[service].get("envFrom", ())
        return [each["secretRef"]["name"] for each in found if "secretRef" in each]

    for service in SERVICES:
        assert sources(helm.render(SMALL), service) == []
        assert sources(helm.render(SMALL, environmentSecret="telemetry"), service) == ["telemetry"]


def test_what_libraries_read_reaches_every_service(helm: Helm) -> None:
    objects = helm.render(CHART / "ci" / "s3-aws.yaml")
    for service in SERVICES:
        assert variables(objects, service)["AWS_STS_REGIONAL_ENDPOINTS"] == "regional"


def test_values_that_do_not_exist_are_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="replica"):
        helm.render(SMALL, api__replica="2")


def test_the_chart_knows_which_settings_are_secrets() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["definitions"]["secret"]["enum"]) == SECRETS


@pytest.mark.parametrize("name", ["CROSSDOCK_ROOT_TOKEN", "CROSSDOCK_SIGNING_KEY"])
def test_the_token_of_root_and_the_key_for_signatures_are_given_to_the_api_alone(
    helm: Helm, name: str
) -> None:
    objects = helm.render(SMALL)
    having = [service for service in containers(objects) if f"{name}_FILE" in variables(objects, service)]
    assert having == ["api"]


def files(pod: Manifest) -> set[str]:
    """Give the path of each file that a pod mounts."""
    places = {each["name"]: each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]}
    assert places.keys() == {volume["name"] for volume in pod["spec"]["volumes"]}
    return {
        f"{places[volume['name']]}/{item['path']}"
        for volume in pod["spec"]["volumes"]
        for item in (volume.get("secret") or volume["configMap"])["items"]
    }


def test_each_file_that_a_service_is_told_of_is_laid_down_where_it_looks(rendered: list[Manifest]) -> None:
    for service, pod in pods(rendered).items():
        told = {value for name, value in variables(rendered, service).items() if name.endswith("_FILE")}
        assert told <= files(pod)
        assert {each for each in files(pod) if each.startswith("/run/secrets/")} <= told


def test_certificates_of_a_config_map_are_trusted_by_every_service(helm: Helm) -> None:
    objects = helm.render(SMALL, trust__configMap="ours", trust__key="bundle")
    for service, pod in pods(objects).items():
        (volume,) = (each for each in pod["spec"]["volumes"] if "configMap" in each)
        assert volume["configMap"]["name"] == "ours"
        assert [item["key"] for item in volume["configMap"]["items"]] == ["bundle"]
        if service in SERVICES:  # the migration asks nobody but the database, whose address may name the file
            assert variables(objects, service)["CROSSDOCK_REMOTE_CA_FILE"] in files(pod)
    assert "CROSSDOCK_REMOTE_CA_FILE" not in variables(helm.render(SMALL), "api")


def test_every_service_runs_its_own_image(rendered: list[Manifest]) -> None:
    for service, container in containers(rendered).items():
        assert container["image"].rpartition("/")[2] == f"{service}:{VERSION}"


def test_new_settings_are_new_pods(helm: Helm) -> None:
    before, after = (
        pods(helm.render(SMALL, settings__CROSSDOCK_S3_BUCKET=bucket))["api"]["metadata"]["annotations"]
        for bucket in ("one", "two")
    )
    assert before["checksum/settings"] != after["checksum/settings"]
    assert before["checksum/secrets"] == after["checksum/secrets"]


def test_no_keys_of_s3_are_asked_for_where_a_role_stands_for_them(helm: Helm) -> None:
    objects = helm.render(CHART / "ci" / "s3-aws.yaml")
    account = one(objects, "ServiceAccount", "all")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam:")
    for service in SERVICES:
        assert pods(objects)[service]["spec"]["serviceAccountName"] == account["metadata"]["name"]
        assert not [
            name for name in variables(objects, service) if "S3_ACCESS" in name or "S3_SECRET" in name
        ]
    assert of_kind(objects, "Secret") == []
