"""helm/girandole/README.md's table is what values.yaml says. `python tests/deploy/values_doc.py` writes it anew."""
import json
import re

import yaml

from chart import CHART

PAGE = CHART / "README.md"
MARK = "<!-- from values.yaml: python tests/deploy/values_doc.py writes it -->\n"
LINE = re.compile(r"^( *)(# -- (?P<says>.*)|(?P<key>[\w]+):)")


def described():
    """Each described key's path, and what is said of it."""
    path, says, found = [], None, {}
    for line in (CHART / "values.yaml").read_text().splitlines():
        if not (match := LINE.match(line)):
            continue
        depth = len(match[1]) // 2
        if match["says"]:
            says = match["says"]
            continue
        path = [*path[:depth], match["key"]]
        if says:
            found[".".join(path)] = says
        says = None
    return found


def leaves(values, prefix=""):
    """Every key that is a value by itself: no map, or an empty one."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def value_at(values, path):
    for key in path.split("."):
        values = values[key]
    return values


def table():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [f"| `{path}` | `{json.dumps(value_at(values, path))}` | {says} |" for path, says in described().items()]
    return "\n".join(["| value | default | |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().split(MARK)[0] + MARK + table())
