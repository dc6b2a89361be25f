"""The Grafana dashboard: every query is PromQL over series that the server has, and all of it is installed."""
import json
import re
import shutil
import subprocess

import pytest
import yaml

import chart
import metrics

DASHBOARD = json.loads((chart.CHART / "dashboards" / "girandole.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What Grafana puts in before Prometheus sees a query.
VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$model": ".*"}


def queries():
    """Every query, by the title of what shows it."""
    shown = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
    return shown + [(note["name"], note["expr"]) for note in DASHBOARD["annotations"]["list"]]


def test_every_query_reads_series_that_exist():
    assert len(PANELS) > 20
    for title, query in queries():
        read = metrics.read_by(query)
        assert read and read <= metrics.documented() | metrics.FOREIGN, title
    asked = " ".join(variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable)
    assert metrics.read_by(asked.replace("label_values(", "").replace(",", " +")) <= metrics.documented()


def test_every_query_is_promql(tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("SKIPPED: promtool is not installed (Debian: apt-get install prometheus)")
    rules = []
    for number, (_, query) in enumerate(queries()):
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        rules.append({"record": f"query:{number}", "expr": query})
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", tmp_path / "queries.yaml"], capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(rules)} rules" in done.stdout, done.stdout + done.stderr


def test_variables_that_are_used_are_there():
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD)))
    assert used == known


def test_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_chart_installs_it_where_a_sidecar_looks():
    item = chart.objects("full")["ConfigMap", "demo-girandole-dashboard"]
    assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(item["data"]["girandole.json"]) == DASHBOARD
