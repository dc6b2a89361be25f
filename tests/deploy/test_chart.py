"""The chart lints, renders what its snapshots say, and Kubernetes' own schemas take what it renders."""
import re
import tomllib

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

import chart
import values_doc

KUBERNETES = ("1.30", "1.33", kubernetes_validate.latest_version())
# Kinds of custom resources, of which Kubernetes has no schema, and what their operators ask for at least.
CUSTOM = {
    "Certificate": ("cert-manager.io/v1", {"secretName", "dnsNames", "issuerRef"}),
    "Issuer": ("cert-manager.io/v1", {"selfSigned"}),
    "ServiceMonitor": ("monitoring.coreos.com/v1", {"selector", "endpoints"}),
    "PrometheusRule": ("monitoring.coreos.com/v1", {"groups"}),
}


@pytest.mark.parametrize("case", chart.CASES)
def test_helm_finds_nothing_to_complain_about(case):
    report = helm.lint(chart.CHART, chart.values(case), strict=True)
    findings = [message for message in report["messages"] if "icon is recommended" not in message["error"]]
    assert report["total_charts_linted"] == 1 and not findings and not report["errors"], report


@pytest.mark.parametrize("case", chart.CASES)
def test_the_snapshots_are_what_is_rendered(case):
    path = chart.SNAPSHOTS / f"{case}.yaml"
    assert path.read_text() == chart.snapshot(case), "if that is meant, python tests/deploy/chart.py renews it"


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("case", chart.CASES)
def test_kubernetes_schemas_take_the_manifests(case, version):
    checked = [item["kind"] for item in chart.objects(case).values() if item["kind"] not in CUSTOM]
    assert {"Deployment", "Service", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget"} <= set(checked)
    for item in chart.objects(case).values():
        if item["kind"] not in CUSTOM:
            kubernetes_validate.validate(item, version, strict=True)


def test_a_misspelt_field_would_not_pass():
    item = chart.objects()["Deployment", "demo-girandole"]
    item["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(item, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("case", chart.CASES)
def test_custom_resources_have_what_their_operators_ask_for(case):
    found = [item for item in chart.objects(case).values() if item["kind"] in CUSTOM]
    assert found
    for item in found:
        version, wanted = CUSTOM[item["kind"]]
        assert item["apiVersion"] == version and wanted <= set(item["spec"])


def test_the_full_values_switch_everything_on():
    sources = {path.name for path in (chart.CHART / "templates").glob("*.yaml")} - {"issuer.yaml"}
    rendered = {name.rsplit("/", 1)[1] for name, text in chart.render("full").items() if text.strip()}
    assert sources <= rendered


@pytest.mark.parametrize(("values", "says"), [
    ({"models": {"existingClaim": ""}}, "set models.existingClaim"),
    ({"models": {"init": {"image": "x"}}}, "keep one"),
    ({"drain": {"graceSeconds": 60}}, "must be less than drain.exitTimeoutSeconds"),
    ({"state": {"existingClaim": "s"}}, "is for one replica"),
    ({"autoscaling": {"enabled": True, "queueSeconds": ""}}, "nothing to scale by"),
    ({"tls": {"mode": "existingSecret"}}, "tls.existingSecret"),
    ({"tls": {"mode": "off"}}, "tls"),
    ({"traffic": {"files": {"m": "x"}}, "config": {"model_control_mode": "none"}}, "use poll"),
    ({"config": {"http_port": 1}}, "http_port"),
    ({"replica": 3}, "replica"),
    ({"replicas": "many"}, "replicas"),
])
def test_values_that_make_no_sense_are_refused(values, says):
    with pytest.raises(helm.HelmError, match=re.escape(says)):
        chart.render(**values)


def test_every_value_is_described_and_the_readme_says_so():
    described = set(values_doc.described())
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    without = [path for path in values_doc.leaves(values)
               if not any(path == known or path.startswith(f"{known}.") for known in described)]
    assert not without
    page = values_doc.PAGE.read_text().split(values_doc.MARK)[1]
    assert page == values_doc.table(), "python tests/deploy/values_doc.py writes it anew"


def test_the_chart_is_of_the_servers_version():
    workspace = tomllib.loads((chart.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    metadata = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert metadata["appVersion"] == workspace
