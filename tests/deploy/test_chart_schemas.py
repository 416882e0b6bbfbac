from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, validate

from tests.support.helm import CHART, VALUES, Helm, Manifest

OLDEST, NEWEST = "1.28", "1.37"
CRDS = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}


def check_custom(manifest: Manifest) -> None:
    """Hold an object against the model that its operator's definition was turned into.

    The models overlook fields that they do not know; so what they make of it has to be all of it.
    """
    model: Any = getattr(import_module(CRDS[manifest["apiVersion"]]), manifest["kind"])
    read = model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read == manifest


def check(manifest: Manifest, version: str) -> None:
    if manifest["apiVersion"] in CRDS:
        check_custom(manifest)
    else:
        validate(manifest, version, strict=True)


def test_helm_has_nothing_against_the_chart(helm: Helm, values: Path) -> None:
    helm.lint(values)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_as_its_schema_wants_it(rendered: list[Manifest], version: str) -> None:
    for manifest in rendered:
        check(manifest, version)


def test_the_oldest_kubernetes_is_the_one_that_the_chart_asks_for() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}.0-0"


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("Deployment", {"replica": 1}),
        ("ScaledObject", {"maxReplicas": 1}),
        ("ScaledObject", {"maxReplicaCount": "many"}),
        ("ServiceMonitor", {"endpoint": []}),
    ],
)
def test_a_field_that_its_schema_does_not_have_is_found(helm: Helm, kind: str, wrong: dict[str, Any]) -> None:
    objects = [each for file in VALUES for each in helm.render(file)]
    right = next(each for each in objects if each["kind"] == kind)
    check(right, NEWEST)
    with pytest.raises((ValidationError, ValueError, AssertionError)):
        check({**right, "spec": {**right["spec"], **wrong}}, NEWEST)


def test_the_three_files_of_values_bring_every_template_to_life(helm: Helm) -> None:
    kinds = {each["kind"] for file in VALUES for each in helm.render(file)}
    assert kinds == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ScaledObject",
        "Secret",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "TriggerAuthentication",
    }
