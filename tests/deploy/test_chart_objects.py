from __future__ import annotations

import tomllib
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.jobs.models import JobKind, JobState
from tests.support.helm import CHART, Helm, Manifest
from tests.support.jobs import migrated
from tests.support.manifests import component, of_kind, one, pods

KEDA, S3_AWS, SMALL = (CHART / "ci" / f"{name}.yaml" for name in ("keda", "s3-aws", "small"))
METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")
RESOLVERS = ("169.254.20.10", "169.254.25.10", "169.254.169.253", "fd00:ec2::253", "fe80::1")
PRIVATE = ("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd12::1", "fe80::1")
SERVICES = ("api", "importer", "exporter")
ONE_JOB = """
    INSERT INTO jobs (kind, state, project_id, correlation_id, max_attempts, lease_expires_at, finished_at)
    VALUES ($1, $2, $3, 'c', 5,
            CASE WHEN $2 = 'running' THEN now() END,
            CASE WHEN $2 IN ('finished', 'failed', 'canceled') THEN now() END)
"""


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def selected(manifest: Manifest) -> dict[str, str]:
    """Give the labels by which an object finds its pods."""
    spec = manifest["spec"]
    selector = spec.get("podSelector") or spec["selector"]
    found: dict[str, str] = selector.get("matchLabels", selector)
    return found


def reached(peers: list[dict[str, Any]], address: str) -> bool:
    """Whether a rule's blocks of addresses let one through."""
    blocks = [peer["ipBlock"] for peer in peers if "ipBlock" in peer]
    return any(
        ip_address(address) in ip_network(block["cidr"])
        and not any(ip_address(address) in ip_network(gap) for gap in block.get("except", ()))
        for block in blocks
    )


def policy(manifests: list[Manifest], service: str) -> Any:
    return one(manifests, "NetworkPolicy", service)["spec"]


def test_the_chart_has_the_version_of_what_it_installs() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert str(chart["appVersion"]) == project["version"]


def test_every_selector_finds_the_pods_of_its_service_and_no_others(rendered: list[Manifest]) -> None:
    labels = {service: pod["metadata"]["labels"] for service, pod in pods(rendered).items()}
    selecting = of_kind(rendered, "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
    for manifest in selecting:
        found = [service for service in labels if matches(selected(manifest), labels[service])]
        assert found == [component(manifest)], manifest


def test_selectors_do_not_change_from_one_version_to_the_next(rendered: list[Manifest]) -> None:
    for manifest in of_kind(rendered, "Deployment"):
        assert selected(manifest).keys() == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


@pytest.mark.parametrize("release", ["x" * 53, "crossdock", "a", "crossdock-" * 5 + "abc"])
def test_names_stay_within_63_characters(helm: Helm, values: Path, release: str) -> None:
    objects = helm.render(values, release=release)
    for manifest in objects:
        prefix = "keda-hpa-" if manifest["kind"] == "ScaledObject" else ""
        name = prefix + manifest["metadata"]["name"]
        assert len(name) <= 63
        assert name.strip("-") == name
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())


def test_names_do_not_meet(helm: Helm, values: Path) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in helm.render(values, release="x" * 53)]
    assert len(set(names)) == len(names)


def test_whatever_points_at_an_object_points_at_one_that_is_there(rendered: list[Manifest]) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in rendered}
    for manifest in of_kind(rendered, "ScaledObject", "HorizontalPodAutoscaler"):
        assert ("Deployment", manifest["spec"]["scaleTargetRef"]["name"]) in there
    for manifest in of_kind(rendered, "ScaledObject"):
        (trigger,) = manifest["spec"]["triggers"]
        assert ("TriggerAuthentication", trigger["authenticationRef"]["name"]) in there
    for manifest in of_kind(rendered, "Ingress"):
        backend = manifest["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert ("Service", backend["name"]) in there


def test_services_lead_to_ports_that_pods_have(rendered: list[Manifest]) -> None:
    for manifest in of_kind(rendered, "Service"):
        container = pods(rendered)[component(manifest)]["spec"]["containers"][0]
        has = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in manifest["spec"]["ports"]} <= has


def test_metrics_are_not_where_users_are(rendered: list[Manifest]) -> None:
    open_to_users = [each for each in of_kind(rendered, "Service") if each["spec"].get("clusterIP") != "None"]
    assert [component(each) for each in open_to_users] == ["api"]
    assert [port["name"] for port in open_to_users[0]["spec"]["ports"]] == ["http"]


def test_pods_that_drain_tell_their_metrics_and_get_no_requests(rendered: list[Manifest]) -> None:
    for manifest in of_kind(rendered, "Service"):
        (port,) = manifest["spec"]["ports"]
        assert manifest["spec"].get("publishNotReadyAddresses", False) is (port["name"] == "metrics")


def test_the_service_monitor_finds_the_metrics_of_every_service(helm: Helm) -> None:
    objects = helm.render(S3_AWS)
    monitor = one(objects, "ServiceMonitor", "all")["spec"]
    (endpoint,) = monitor["endpoints"]
    found = [
        component(each)
        for each in of_kind(objects, "Service")
        if matches(monitor["selector"]["matchLabels"], each["metadata"]["labels"])
        and endpoint["port"] in {port["name"] for port in each["spec"]["ports"]}
    ]
    assert found == [*SERVICES]


def test_the_cloud_s_metadata_are_out_of_reach(rendered: list[Manifest]) -> None:
    for manifest in of_kind(rendered, "NetworkPolicy"):
        assert manifest["spec"]["policyTypes"] == ["Ingress", "Egress"]
        for rule in manifest["spec"]["egress"]:
            assert rule["to"], "a rule without peers lets everything through"
            assert not [address for address in METADATA if reached(rule["to"], address)]


def test_names_can_be_asked_of_a_cache_on_the_node_or_of_the_cloud(rendered: list[Manifest]) -> None:
    for manifest in of_kind(rendered, "NetworkPolicy"):
        for rule in manifest["spec"]["egress"]:
            through = [address for address in RESOLVERS if reached(rule["to"], address)]
            assert through == (list(RESOLVERS) if rule["ports"][0]["port"] == 53 else [])


def test_webhooks_can_be_sent_by_every_service(helm: Helm, values: Path) -> None:
    objects = helm.render(values, networkPolicy__s3__ports="{8333}")  # by no way that is meant for others
    for service in SERVICES:
        rules = policy(objects, service)["egress"]
        outward = [rule for rule in rules if {"port": 443, "protocol": "TCP"} in rule["ports"]]
        assert any(reached(rule["to"], "93.184.216.34") for rule in outward)


def test_a_service_reaches_database_broker_storage_and_names(helm: Helm) -> None:
    for service in SERVICES:
        ports = [
            port["port"] for rule in policy(helm.render(SMALL), service)["egress"] for port in rule["ports"]
        ]
        assert ports == [53, 53, 5432, 5672, 8333, 443]


def test_the_migration_reaches_nothing_but_the_database(helm: Helm) -> None:
    found = policy(helm.render(SMALL), "migrate")
    assert [port["port"] for rule in found["egress"] for port in rule["ports"]] == [53, 53, 5432]
    assert found["ingress"] == []


def test_the_way_outward_leads_to_public_addresses_alone(helm: Helm) -> None:
    for service in SERVICES:
        rule = policy(helm.render(SMALL), service)["egress"][-1]
        assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
        assert reached(rule["to"], "93.184.216.34")
        assert reached(rule["to"], "2606:2800:220:1::1")
        assert not [address for address in PRIVATE if reached(rule["to"], address)]


def test_the_way_outward_can_be_closed(helm: Helm) -> None:
    for service in SERVICES:
        rules = policy(helm.render(SMALL, networkPolicy__outward__enabled="false"), service)["egress"]
        assert [port["port"] for rule in rules for port in rule["ports"]] == [53, 53, 5432, 5672, 8333]


def test_further_ways_out_can_be_named(helm: Helm) -> None:
    for service in SERVICES:
        assert policy(helm.render(S3_AWS), service)["egress"][-1]["ports"][0]["port"] == 4318


def test_the_api_is_open_to_those_who_are_named_and_workers_to_monitoring_alone(helm: Helm) -> None:
    objects = helm.render(S3_AWS)

    def allowed(service: str) -> dict[str, str]:
        return {
            rule["ports"][0]["port"]: next(iter(rule["from"][0]["namespaceSelector"]["matchLabels"].values()))
            for rule in policy(objects, service)["ingress"]
        }

    assert allowed("api") == {"metrics": "monitoring", "http": "ingress-nginx"}
    assert allowed("importer") == allowed("exporter") == {"metrics": "monitoring"}


def test_the_ingress_streams(helm: Helm) -> None:
    (ingress,) = of_kind(helm.render(S3_AWS), "Ingress")
    prefix = "nginx.ingress.kubernetes.io/"
    told = {key.removeprefix(prefix): value for key, value in ingress["metadata"]["annotations"].items()}
    assert told["proxy-body-size"] == "0"
    assert told["proxy-request-buffering"] == told["proxy-buffering"] == "off"
    assert told["proxy-max-temp-file-size"] == "0"
    assert int(told["proxy-read-timeout"]) == int(told["proxy-send-timeout"]) == 3600


def test_links_begin_with_the_host_of_the_ingress(helm: Helm) -> None:
    (settings,) = of_kind(helm.render(S3_AWS), "ConfigMap")
    assert settings["data"]["CROSSDOCK_EXTERNAL_URL"] == "https://crossdock.example.org"


def test_no_budget_keeps_a_node_from_being_drained(rendered: list[Manifest]) -> None:
    budgets = of_kind(rendered, "PodDisruptionBudget")
    assert [component(each) for each in budgets] == [*SERVICES]
    assert all(each["spec"]["maxUnavailable"] == 1 for each in budgets)


def test_only_one_thing_says_how_many_pods_there_are(rendered: list[Manifest]) -> None:
    scaled = {component(each) for each in of_kind(rendered, "ScaledObject", "HorizontalPodAutoscaler")}
    fixed = {component(each) for each in of_kind(rendered, "Deployment") if "replicas" in each["spec"]}
    assert scaled.isdisjoint(fixed)
    assert scaled | fixed == {*SERVICES}


def test_keda_scales_workers_and_leaves_the_api_alone(helm: Helm) -> None:
    objects = helm.render(KEDA)
    assert [component(each) for each in of_kind(objects, "ScaledObject")] == ["exporter", "importer"]
    assert of_kind(objects, "HorizontalPodAutoscaler") == []
    importer = one(objects, "ScaledObject", "importer")["spec"]
    assert (importer["minReplicaCount"], importer["maxReplicaCount"]) == (0, 40)
    assert importer["fallback"] == {"failureThreshold": 3, "replicas": 2}
    (trigger,) = importer["triggers"]
    assert trigger["metadata"]["targetQueryValue"] == "2"


async def test_keda_counts_the_jobs_of_the_kind_that_wants_most_that_are_queued_or_running(
    helm: Helm, database_url: str
) -> None:
    async with migrated(database_url) as pool:
        await pool.execute("INSERT INTO projects (namespace_id, path, name) VALUES (1, 'q', 'q')")
        for kind, state in product(JobKind, JobState):
            await pool.execute(ONE_JOB, kind.value, state.value, 2 if state is JobState.RUNNING else 1)
        for service, wanted in {"importer": 2, "exporter": 1}.items():
            (trigger,) = one(helm.render(KEDA), "ScaledObject", service)["spec"]["triggers"]
            assert await pool.fetchval(trigger["metadata"]["query"]) == wanted


@pytest.mark.parametrize(("waiting", "wanted"), [(0, 0), (1, 1), (4, 2), (5, 3)])
@pytest.mark.parametrize(
    ("service", "kind", "setting"),
    [
        ("exporter", "upload", "UPLOAD"),
        ("exporter", "peer_export", "UPLOAD"),
        ("exporter", "export", "SMALL_JOB"),
        ("exporter", "backup", "REMOTE_IMPORT"),
        ("importer", "remote_import", "REMOTE_IMPORT"),
        ("importer", "small_import", "SMALL_JOB"),
        ("importer", "git_import", "REMOTE_IMPORT"),
        ("importer", "github_import", "REMOTE_IMPORT"),
        ("importer", "peer_import", "REMOTE_IMPORT"),
    ],
)
async def test_keda_reckons_with_as_many_jobs_of_a_kind_as_a_worker_has_slots_for(
    helm: Helm, database_url: str, service: str, kind: str, setting: str, waiting: int, wanted: int
) -> None:
    """Two jobs, or four of a kind with slots of its own, are one worker's; KEDA divides by the two."""
    objects = helm.render(KEDA, **{f"settings__CROSSDOCK_{setting}_CONCURRENCY": "4"})
    (trigger,) = one(objects, "ScaledObject", service)["spec"]["triggers"]
    async with migrated(database_url) as pool:
        for _ in range(waiting):
            await pool.execute(ONE_JOB, kind, "queued", 1)
        assert await pool.fetchval(trigger["metadata"]["query"]) == wanted


def test_every_kind_of_job_is_counted_for_a_worker(helm: Helm) -> None:
    objects = of_kind(helm.render(KEDA), "ScaledObject")
    queries = " ".join(each["spec"]["triggers"][0]["metadata"]["query"] for each in objects)
    assert all(f"'{kind.value}'" in queries for kind in JobKind)
