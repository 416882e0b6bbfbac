"""What is asked of Kubernetes objects: those of a kind, their pods, containers and variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.helm import Manifest


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Give the objects of these kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def one(manifests: Sequence[Manifest], kind: str, service: str) -> Manifest:
    """Give the only object of a kind that is of a service."""
    (found,) = (each for each in of_kind(manifests, kind) if component(each) == service)
    return found


def component(manifest: Manifest) -> str:
    """Tell the service that an object is of."""
    return str(manifest["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Give the pod template of each service."""
    return {component(each): each["spec"]["template"] for each in of_kind(manifests, "Deployment", "Job")}


def containers(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Give the container of each service; there is one in each pod."""
    found = {}
    for service, pod in pods(manifests).items():
        assert "initContainers" not in pod["spec"]
        (found[service],) = pod["spec"]["containers"]
    return found


def variables(manifests: Sequence[Manifest], service: str) -> dict[str, str]:
    """Give the environment of a service, with what it has from ConfigMaps."""
    container = containers(manifests)[service]
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]
    return found | {each["name"]: each["value"] for each in container["env"]}


def leaves(value: Any) -> Iterator[str]:
    """Give every text in a value."""
    match value:
        case dict():
            for each in value.values():
                yield from leaves(each)
        case list():
            for each in value:
                yield from leaves(each)
        case _:
            yield str(value)
