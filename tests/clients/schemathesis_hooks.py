"""Gives each of schemathesis's requests one of the keys in KEYS or none, and writes the statuses of the answers to the
file STATUSES."""
import itertools
import json
import os

import schemathesis

KEYS = itertools.cycle(json.loads(os.environ["KEYS"]))


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in [name for name in case.headers if name.lower() in ("authorization", "x-api-key")]:
        del case.headers[name]
    if key := next(KEYS):
        case.headers["Authorization"] = f"Bearer {key}"


@schemathesis.hook
def after_call(context, case, response):
    with open(os.environ["STATUSES"], "a") as file:
        file.write(f"{response.status_code}\n")
