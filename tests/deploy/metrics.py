"""The metrics that docs/metrics.md has, and those that a query reads."""
import re

from chart import ROOT

# Not the server's: Prometheus' own, and kube-state-metrics'.
FOREIGN = {"up", "kube_pod_status_ready"}
NAME = re.compile(r"\b((?:nv|girandole|kube|container|node|process)_\w+|up)\b(?=\s*[{\[)]|\s*$|\s*[<>=!/*+-])")


def documented():
    """Every series: of a histogram those that Prometheus makes of it."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M)
    assert len(rows) > 20
    series = set()
    for name, kind in rows:
        series |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return series


def read_by(query):
    """The series that a query reads."""
    without_strings = re.sub(r'"[^"]*"', '""', query)
    return set(NAME.findall(without_strings))
