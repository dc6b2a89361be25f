"""The chart as Helm's own engine renders it. `python tests/deploy/chart.py` renews the snapshots."""
import pathlib
import tomllib

import helm_python as helm
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "helm" / "girandole"
SNAPSHOTS = pathlib.Path(__file__).parent / "snapshots"
CASES = ("default", "full")


def values(case):
    return yaml.safe_load((CHART / "ci" / f"{case}-values.yaml").read_text())


def over(below, above):
    """Values over values, as Helm lays them."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: over(below.get(key), value) for key, value in above.items()}


def render(case="default", **more):
    """Template file to rendered text."""
    with helm.Chart.load(CHART) as chart:
        return chart.render(over(values(case), more), name="demo", namespace="serving")


def objects(case="default", **more):
    """Every object that is rendered, by kind and name."""
    found = {}
    for name, text in render(case, **more).items():
        if not name.endswith(".yaml"):
            continue
        for item in filter(None, yaml.safe_load_all(text)):
            key = (item["kind"], item["metadata"]["name"])
            assert key not in found, f"{key} is rendered twice"
            found[key] = item
    return found


def pod(case="default", **more):
    return objects(case, **more)["Deployment", "demo-girandole"]["spec"]["template"]["spec"]


def server_config(case="default", **more):
    """girandole.toml, read."""
    return tomllib.loads(objects(case, **more)["ConfigMap", "demo-girandole"]["data"]["girandole.toml"])


def snapshot(case):
    rendered = sorted(render(case).items())
    return "".join(f"--- # {name}\n{text.strip()}\n" for name, text in rendered if text.strip())


if __name__ == "__main__":
    for case in CASES:
        (SNAPSHOTS / f"{case}.yaml").write_text(snapshot(case))
