"""The KServe runtimes: KServe's own schema takes them, Kubernetes' theirs, and the server its arguments."""
import json

import jsonschema
import kubernetes_validate
import pytest
import yaml

import chart
from server import Server
from test_properties import help_flags, routes

FOLDER = chart.ROOT / "helm" / "kserve"
PROTOCOLS = ("v2", "grpc-v2")
# The port that KServe's gateway finds by its name, and the option that says it.
PORTS = {"v2": ("http1", "--http-port"), "grpc-v2": ("h2c", "--grpc-port")}


def runtime(protocol):
    return yaml.safe_load((FOLDER / f"girandole-{protocol}.yaml").read_text())


def container(protocol):
    return runtime(protocol)["spec"]["containers"][0]


def arguments(protocol):
    return dict(arg.partition("=")[::2] for arg in container(protocol)["args"][1:])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_kserves_schema_takes_it(protocol):
    item = runtime(protocol)
    assert (item["apiVersion"], item["kind"]) == ("serving.kserve.io/v1alpha1", "ClusterServingRuntime")
    schema = json.loads((chart.ROOT / "tests" / "deploy" / "kserve-schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(item["spec"])
    assert item["spec"]["protocolVersions"] == [protocol]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(item["spec"] | {"protocolVersion": [protocol]})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_format_has_a_name_and_not_every_file_of_safetensors_is_taken(protocol):
    formats = {entry["name"]: entry["autoSelect"] for entry in runtime(protocol)["spec"]["supportedModelFormats"]}
    assert formats == {"onnx": True, "safetensors": False, "girandole": True}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_kubernetes_would_run_its_pod(protocol):
    spec = {key: runtime(protocol)["spec"][key] for key in ("containers", "volumes")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_container_is_what_kserve_looks_for(protocol):
    found = container(protocol)
    name, option = PORTS[protocol]
    assert found["name"] == "kserve-container" and found["args"][0] == "serve"
    assert found["ports"] == [{"name": name, "containerPort": int(arguments(protocol)[option]), "protocol": "TCP"}]
    assert f"{option.removesuffix('-port')}-address" in arguments(protocol), "loopback is not for others"
    for probe in ("readinessProbe", "livenessProbe"):
        how = next(found[probe][kind] for kind in ("httpGet", "grpc", "tcpSocket") if kind in found[probe])
        # The port that is served: Knative knows no other.
        assert how["port"] == found["ports"][0]["containerPort"] and how.get("path", "/livez") in routes()
    assert runtime(protocol)["spec"]["annotations"]["prometheus.kserve.io/port"] == arguments(protocol)["--metrics-port"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_server_takes_its_arguments(protocol, tmp_path):
    given = arguments(protocol)
    assert set(given) <= help_flags()
    given |= {"--model-repository": chart.ROOT / "model-repo", "--state-dir": tmp_path, "--shutdown-grace-secs": "0"}
    here = {key: value for key, value in given.items() if not key.endswith(("-port", "-address"))}
    with Server(*(f"{key}={value}" if value else key for key, value in here.items())) as server:
        assert server.get("/v2/models/churn/ready")[0] == 200
