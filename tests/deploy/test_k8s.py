"""deploy/k8s/scr-deployment.yaml: three objects that Kubernetes' schemas accept and the application understands."""

from __future__ import annotations

import copy
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.sessions.routes_yaml import parse_routes
from gateway.settings import ALL_SETTINGS, read_settings

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "k8s" / "scr-deployment.yaml"
DOCKERFILE = ROOT / "deploy" / "container" / "Dockerfile"
#: The oldest and the newest Kubernetes whose schemas the manifest is held against.
VERSIONS = ("1.29", "1.37")
SECRETS = {
    "SCR_API_KEY": "scr_demo_key_123",
    "HARPOON_TOKENS": "hk_default_s3cret",
    "SCR_DASHBOARD_USER": "ops",
    "SCR_DASHBOARD_PASSWORD": "a password of a test",
}
Plain = dict[str, Any]


@cache
def objects() -> dict[str, Plain]:
    """The manifest's objects by kind; there is at most one of each."""
    found = list(yaml.safe_load_all(MANIFEST.read_text("utf-8")))
    by_kind = {one["kind"]: one for one in found}
    assert len(by_kind) == len(found)
    return by_kind


def pod() -> Plain:
    found: Plain = objects()["Deployment"]["spec"]["template"]["spec"]
    return found


def container() -> Plain:
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


def environment() -> dict[str, str]:
    """What the container's environment holds, its secrets made up."""
    data, given = objects()["ConfigMap"]["data"], {}
    for variable in container()["env"]:
        ((kind, ref),) = variable["valueFrom"].items()
        assert ref["key"] == variable["name"]
        if kind == "configMapKeyRef":
            assert ref["name"] == "scr-config"
            given[variable["name"]] = data[ref["key"]]
        else:
            assert (kind, ref["name"]) == ("secretKeyRef", "scr-secrets")
            given[variable["name"]] = SECRETS[ref["key"]]
    return given


def mounts() -> dict[str, str]:
    return {one["name"]: one["mountPath"] for one in container()["volumeMounts"]}


def test_it_creates_exactly_three_objects_in_no_namespace() -> None:
    names = {kind: one["metadata"]["name"] for kind, one in objects().items()}
    assert names == {"Deployment": "session-completion-runtime", "Service": "scr", "ConfigMap": "scr-config"}
    assert "namespace" not in " ".join(line for line in MANIFEST.read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_it(version: str) -> None:
    for one in objects().values():
        kubernetes_validate.validate(one, version, strict=True)
        wrong = {**copy.deepcopy(one), "specs": {}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, version, strict=True)


def test_the_variant_without_a_claim_is_accepted_too() -> None:
    variant = re.sub(r"persistentVolumeClaim: .*", "", MANIFEST.read_text("utf-8")).replace("# emptyDir", "emptyDir")
    (deployment,) = [one for one in yaml.safe_load_all(variant) if one["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["spec"]["volumes"][0] == {"name": "state", "emptyDir": {"sizeLimit": "1Gi"}}
    kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


def test_one_instance_at_a_time_with_a_volume() -> None:
    spec = objects()["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    volumes = {one["name"]: one for one in pod()["volumes"]}
    assert volumes["state"] == {"name": "state", "persistentVolumeClaim": {"claimName": "scr-state"}}
    assert volumes.keys() == mounts().keys()
    assert mounts()["state"] == objects()["ConfigMap"]["data"]["HARPOON_STATE"]


def test_selectors_and_ports_lead_to_the_pod() -> None:
    labels = objects()["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        objects()["Deployment"]["spec"]["selector"]["matchLabels"],
        objects()["Service"]["spec"]["selector"],
    ):
        assert selector
        assert selector.items() <= labels.items()
    (port,) = container()["ports"]
    (served,) = objects()["Service"]["spec"]["ports"]
    assert served["targetPort"] == port["name"] == "http"
    assert str(port["containerPort"]) == environment()["SERVICE_PORT"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container()[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_the_application_knows_every_setting_and_takes_them_together() -> None:
    settings = {setting.name: setting for setting in ALL_SETTINGS}
    given = environment()
    assert given.keys() <= settings.keys()
    for variable in container()["env"]:
        if settings[variable["name"]].secret:
            assert "secretKeyRef" in variable["valueFrom"]
    read = read_settings(given, {}, None)
    assert (read.host, read.port, str(read.state)) == ("0.0.0.0", 8080, "/var/lib/scr")
    assert read.configuration.sessions.is_alone
    assert read.configuration.sessions.api_key == SECRETS["SCR_API_KEY"]
    # What is optional may be left out of the Secret.
    optional = [one["name"] for one in container()["env"] if one["valueFrom"].get("secretKeyRef", {}).get("optional")]
    assert sorted(optional) == ["HARPOON_TOKENS", "SCR_DASHBOARD_PASSWORD", "SCR_DASHBOARD_USER"]
    read_settings({name: value for name, value in given.items() if name not in optional}, {}, None)
    # Nothing is set in the ConfigMap that nobody reads.
    items = {item["key"] for one in pod()["volumes"] for item in one.get("configMap", {}).get("items", ())}
    assert objects()["ConfigMap"]["data"].keys() == items | {name for name in given if name not in SECRETS}


def test_the_routes_are_where_they_are_looked_for_and_can_be_read() -> None:
    sessions = read_settings(environment(), {}, None).configuration.sessions
    assert sessions.routes == f"{mounts()['config']}/routes.yaml"
    routes = parse_routes("routes.yaml", objects()["ConfigMap"]["data"]["routes.yaml"])
    assert routes.destinations.keys() == set(sessions.destinations)


def test_it_runs_as_nobody_with_nothing_to_write_but_its_volumes() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    # Kubernetes would set SCR_PORT and the like for a Service of this name.
    assert pod()["enableServiceLinks"] is False
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container()["resources"]["limits"]["memory"]


def test_the_image_is_what_the_dockerfile_makes() -> None:
    text = DOCKERFILE.read_text("utf-8")
    assert f"docker build -t {container()['image']} " in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert container()["image"].endswith(f":{project['project']['version']}")
    copied = [name for line in re.findall(r"^COPY (.+)$", text, re.M) for name in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    # All that is installed is copied, and let through to the builder.
    let_through = re.findall(r"^!(\S+)$", (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text("utf-8"), re.M)
    packages = [one.removesuffix("*") for one in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    assert set(packages) <= set(copied)
    assert [name for name in copied if not any(Path(name).match(pattern) for pattern in let_through)] == []
    assert f"USER {pod()['securityContext']['runAsUser']}:{pod()['securityContext']['runAsGroup']}" in text
    assert "harpoon" in project["project"]["scripts"]
    assert 'CMD ["harpoon", "serve"]' in text
    assert re.search(r"^EXPOSE (\d+)$", text, re.M)[1] == environment()["SERVICE_PORT"]  # type: ignore[index]
