"""What must hold of the rendered objects among themselves, and between them and the server."""
import json
import re
import subprocess

import pytest

import chart
from server import BINARY

INSECURE = {"tls": {"mode": "insecure"}}
VALUES = [("default", {}), ("full", {}), ("default", INSECURE)]
OWNED = {"config", "model_repository", "state_dir", "http_address", "http_port", "grpc_address", "grpc_port",
         "metrics_address", "metrics_port", "tls_cert", "tls_key", "insecure", "exit_timeout_secs",
         "shutdown_grace_secs", "access_file", "admin_token_file", "tls_client_ca", "tls_client_auth", "trusted_keys",
         "model_key_file"}


def help_flags():
    text = subprocess.run([BINARY, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.M)) - {"--help", "--version"}


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def routes():
    page = json.loads((chart.ROOT / "server" / "api" / "src" / "oip" / "rest" / "openapi.json").read_text())
    return set(page["paths"])


@pytest.mark.parametrize(("case", "more"), VALUES)
def test_flags_and_keys_are_the_servers(case, more):
    flags = help_flags()
    assert "--shutdown-grace-secs" in flags
    args = chart.pod(case, **more)["containers"][0]["args"]
    assert args[0] == "serve" and {arg for arg in args if arg.startswith("-")} <= flags
    keys = {f"--{key.replace('_', '-')}" for key in chart.server_config(case, **more)}
    assert keys <= flags, keys - flags


def test_every_option_of_the_server_is_the_charts_or_a_value():
    schema = json.loads((chart.CHART / "values.schema.json").read_text())
    config = set(schema["properties"]["config"]["properties"])
    page = (chart.ROOT / "docs" / "config.md").read_text()
    options = {flag.replace("-", "_") for flag in re.findall(r"^\| `--([\w-]+)`", page, re.M)}
    assert not config & OWNED
    assert config | OWNED == options, "values.schema.json has what may be set, OWNED what _config.tpl sets or leaves"


@pytest.mark.parametrize(("case", "more"), VALUES)
def test_probes_ask_routes_that_exist(case, more):
    container = chart.pod(case, **more)["containers"][0]
    scheme = "HTTP" if more == INSECURE else "HTTPS"
    for probe in ("readinessProbe", "livenessProbe"):
        get = container[probe]["httpGet"]
        assert get["path"] in routes() and get["scheme"] == scheme and get["port"] == "http"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"


@pytest.mark.parametrize(("case", "more"), VALUES)
def test_ports_are_those_that_the_server_listens_on(case, more):
    config = chart.server_config(case, **more)
    ports = {port["name"]: port["containerPort"] for port in chart.pod(case, **more)["containers"][0]["ports"]}
    assert ports == {name: config[f"{name}_port"] for name in ("http", "grpc", "metrics")}
    objects = chart.objects(case, **more)
    for (kind, _), item in objects.items():
        if kind == "Service":
            assert {port["targetPort"] for port in item["spec"]["ports"]} <= set(ports)
    service = objects["Service", "demo-girandole"]
    assert "metrics" not in {port["name"] for port in service["spec"]["ports"]}, "metrics have no TLS"


def test_a_stop_has_the_time_that_it_takes():
    for more in ({}, {"drain": {"preStopSeconds": 0, "graceSeconds": 1, "exitTimeoutSeconds": 300}}):
        pod, config = chart.pod(**more), chart.server_config(**more)
        prestop = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] > prestop + config["exit_timeout_secs"]
        assert config["shutdown_grace_secs"] < config["exit_timeout_secs"]
        readiness = pod["containers"][0]["readinessProbe"]
        if not more:
            assert prestop + config["shutdown_grace_secs"] > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_pods_are_replaced_one_by_one_and_never_missed():
    for case in chart.CASES:
        spec = chart.objects(case)["Deployment", "demo-girandole"]["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert spec["minReadySeconds"] > 0


@pytest.mark.parametrize(("case", "more"), VALUES)
def test_pods_may_do_next_to_nothing(case, more):
    pod = chart.pod(case, **more)
    assert pod["automountServiceAccountToken"] is False
    security = pod["securityContext"]
    assert security["runAsNonRoot"] and security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                "capabilities": {"drop": ["ALL"]}}
        assert container["resources"]["limits"]["memory"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not any("hostPath" in volume for volume in pod["volumes"])


@pytest.mark.parametrize(("case", "more"), VALUES)
def test_what_is_mounted_is_there_and_what_is_configured_is_mounted(case, more):
    pod = chart.pod(case, **more)
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in containers(pod):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    config = chart.server_config(case, **more)
    assert [mounts[path]["readOnly"] for path in config["model_repository"]] == [True]
    assert not mounts[config["state_dir"]].get("readOnly")
    if "tls_cert" in config:
        assert config["tls_cert"] == "/etc/girandole/tls/tls.crt" and "/etc/girandole/tls" in mounts
    assert pod["containers"][0]["args"][2].rsplit("/", 1)[0] in mounts


def test_plain_text_only_when_said():
    for case in chart.CASES:
        config = chart.server_config(case)
        assert {"tls_cert", "tls_key"} <= set(config) and "insecure" not in config
    assert chart.server_config(**INSECURE)["insecure"] is True
    assert not {"Certificate", "Issuer"} & {kind for kind, _ in chart.objects(**INSECURE)}
    own = {"tls": {"mode": "existingSecret", "existingSecret": "ours"}}
    secrets = [volume["secret"]["secretName"] for volume in chart.pod(**own)["volumes"] if "secret" in volume]
    assert secrets == ["ours"] and "Certificate" not in {kind for kind, _ in chart.objects(**own)}


def test_the_certificate_is_for_the_names_of_the_services():
    objects = chart.objects()
    certificate = objects["Certificate", "demo-girandole"]["spec"]
    secrets = [volume["secret"]["secretName"] for volume in chart.pod()["volumes"] if "secret" in volume]
    assert secrets == [certificate["secretName"]]
    for kind, name in objects:
        if kind == "Service" and not name.endswith("-metrics"):
            assert {name, f"{name}.serving.svc"} <= set(certificate["dnsNames"])
    assert ("Issuer", certificate["issuerRef"]["name"]) in objects


@pytest.mark.parametrize("case", chart.CASES)
def test_selectors_find_the_pods(case):
    objects = chart.objects(case)
    labels = objects["Deployment", "demo-girandole"]["spec"]["template"]["metadata"]["labels"].items()
    for (kind, _), item in objects.items():
        selector = {"Service": lambda spec: spec["selector"],
                    "Deployment": lambda spec: spec["selector"]["matchLabels"],
                    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
                    "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"]}.get(kind)
        if selector:
            assert selector(item["spec"]).items() <= labels, kind
    if case == "full":
        metrics = objects["Service", "demo-girandole-metrics"]["metadata"]["labels"].items()
        assert objects["ServiceMonitor", "demo-girandole"]["spec"]["selector"]["matchLabels"].items() <= metrics
        ours = objects["Service", "demo-girandole"]["metadata"]["labels"].items()
        assert not objects["ServiceMonitor", "demo-girandole"]["spec"]["selector"]["matchLabels"].items() <= ours


def test_gpus_are_asked_for_and_required():
    pod = chart.pod("full")
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["nodeSelector"]["nvidia.com/gpu.present"] == "true" and pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert chart.server_config("full")["require_gpu"] is True
    assert chart.pod(gpu={"count": 2})["containers"][0]["image"].endswith("-cuda")
    cpu = chart.pod()
    assert "require_gpu" not in chart.server_config() and "nodeSelector" not in cpu
    assert cpu["containers"][0]["image"].endswith("-cpu")


def test_a_change_of_configuration_replaces_pods_and_one_of_traffic_does_not():
    def template(**more):
        return chart.objects("full", **more)["Deployment", "demo-girandole"]["spec"]["template"]
    assert template() != template(config={"cores": 4})
    assert template() == template(traffic={"files": {"congestion": "[labels]\nstable = 2\n"}})
