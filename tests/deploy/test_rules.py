"""Alerts: promtool takes and tests them, each reads what there is and has a runbook, and autoscaling finds its metrics."""
import copy
import re
import shutil
import subprocess

import pytest
import yaml

import chart
import metrics

RULES = chart.CHART / "rules" / "alerts.yaml"
TESTS = chart.ROOT / "tests" / "deploy" / "rules_test.yaml"
ADAPTER = chart.ROOT / "helm" / "prometheus-adapter.yaml"


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


@pytest.fixture
def promtool():
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("SKIPPED: promtool is not installed (Debian: apt-get install prometheus)")

    def run(*arguments):
        done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
    return run


def test_promtool_takes_the_rules_and_their_tests_pass(promtool):
    assert f"{len(alerts())} rules found" in promtool("check", "rules", RULES)
    promtool("test", "rules", TESTS)


def test_every_alert_is_made_to_fire():
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in alerts()}


def test_every_alert_reads_series_that_exist():
    for rule in alerts():
        read = metrics.read_by(rule["expr"])
        assert read and read <= metrics.documented() | metrics.FOREIGN, rule["alert"]


def test_every_alert_has_a_runbook():
    headings = re.findall(r"^## (\w+)", (chart.ROOT / "docs" / "runbooks.md").read_text(), re.M)
    assert headings == [rule["alert"] for rule in alerts()], "in the rules' order"
    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]


def test_the_chart_installs_them_as_they_are():
    rendered = chart.objects("full")["PrometheusRule", "demo-girandole"]["spec"]["groups"]
    wanted = copy.deepcopy(yaml.safe_load(RULES.read_text()))["groups"]
    for group in wanted:
        group["rules"] = [rule for rule in group["rules"] if rule["alert"] != "GirandoleLatency"]
        for rule in group["rules"]:
            url = rule["annotations"]["runbook_url"]
            rule["annotations"]["runbook_url"] = url.replace("docs/runbooks.md", "https://runbooks.example/girandole.md")
    assert rendered[:-1] == wanted and rendered[-1]["name"] == "forecasts"


def adapter_rules():
    """What the adapter offers, by the name that an autoscaler knows it by."""
    offered = {}
    for rule in yaml.safe_load(ADAPTER.read_text())["rules"]["custom"]:
        name = rule["seriesQuery"].split("{")[0]
        if "name" in rule:
            name = re.sub(rule["name"]["matches"], rule["name"]["as"].replace("$1", r"\1"), name)
        offered[name] = rule
    return offered


def test_the_autoscaler_asks_for_what_the_adapter_offers():
    scaler = chart.objects("full")["HorizontalPodAutoscaler", "demo-girandole"]["spec"]
    assert {metric["pods"]["metric"]["name"] for metric in scaler["metrics"]} == set(adapter_rules())
    for rule in adapter_rules().values():
        for query in (rule["seriesQuery"], rule["metricsQuery"]):
            assert metrics.read_by(query) and metrics.read_by(query) <= metrics.documented()


def test_the_adapters_queries_are_means_of_each_pod(promtool, tmp_path):
    selected = {"<<.LabelMatchers>>": 'namespace="s"', "<<.GroupBy>>": "pod"}
    queries = {}
    for name, rule in adapter_rules().items():
        query = rule["metricsQuery"]
        for mark, text in selected.items():
            query = query.replace(mark, text)
        queries[name] = query
    busy, idle = 'namespace="s", pod="busy"', 'namespace="s", pod="idle"'
    series = {
        f"girandole_queue_duration_seconds_sum{{{busy}}}": "0+6x9", f"nv_gpu_utilization{{{busy}}}": "0.5x9",
        f"girandole_queue_duration_seconds_count{{{busy}}}": "0+60x9", f"nv_gpu_utilization{{{idle}}}": "0x9",
        f"girandole_queue_duration_seconds_sum{{{idle}}}": "0x9",
        f"girandole_queue_duration_seconds_count{{{idle}}}": "0x9",
    }
    expected = {"girandole_queue_duration_seconds": 0.1, "nv_gpu_utilization": 0.5}
    test = {"evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": "5m", "exp_samples": [
            {"labels": '{pod="busy"}', "value": expected[name]}, {"labels": '{pod="idle"}', "value": 0}]}
            for name, query in queries.items()]}]}
    (tmp_path / "adapter.yaml").write_text(yaml.safe_dump(test))
    promtool("test", "rules", tmp_path / "adapter.yaml")
