"""Who may do what: every route and RPC with every role, over every listener."""
import contextlib
import http.client
import json
import ssl
import subprocess

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferInput, service_pb2, service_pb2_grpc

import repository
from server import BINARY, Server, wait_for

ROLES = ["infer", "observe", "admin"]
MODEL = "one"
PARAMETERS = {"{model}": MODEL, "{version}": "1", "{repository}": "other"}
BODY = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}

EVERYBODY, ANYONE = {None, *ROLES}, set(ROLES)
INFER, OBSERVE, ADMIN = {"infer", "admin"}, {"observe", "admin"}, {"admin"}

# What each operation of the OpenAPI document takes. One that is not here fails the test: say what it takes.
MODELS, VERSIONS = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
OPERATIONS = {
    **{("get", path): EVERYBODY for path in ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"]},
    **{("get", path): ANYONE for path in ["/v2", "/v2/", "/openapi.json"]},
    **{("get", model + what): ANYONE for model in [MODELS, VERSIONS] for what in ["", "/ready", "/config"]},
    **{("get", model + "/stats"): OBSERVE for model in [MODELS, VERSIONS]},
    **{("post", model + "/infer"): INFER for model in [MODELS, VERSIONS]},
    ("get", "/v2/models/stats"): OBSERVE,
    ("get", MODELS + "/traffic"): OBSERVE,
    **{("get", path): OBSERVE for path in [MODELS + "/trace/setting", "/v2/trace/setting", "/v2/logging"]},
    **{("post", path): ADMIN for path in [MODELS + "/trace/setting", "/v2/trace/setting", "/v2/logging"]},
    **{("post", path): OBSERVE for path in ["/v2/repository/index", "/v2/repository/{repository}/index"]},
    **{("post", f"/v2/repository/{other}models/{{model}}/{what}"): ADMIN
       for other in ["", "{repository}/"] for what in ["load", "unload"]},
}
RPCS = {
    **{rpc: EVERYBODY for rpc in ["ServerLive", "ServerReady"]},
    **{rpc: ANYONE for rpc in ["ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig"]},
    **{rpc: INFER for rpc in ["ModelInfer", "ModelStreamInfer"]},
    **{rpc: OBSERVE for rpc in ["ModelStatistics", "RepositoryIndex"]},
    **{rpc: ADMIN for rpc in ["RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings",
                              "SystemSharedMemoryStatus", "SystemSharedMemoryRegister",
                              "SystemSharedMemoryUnregister", "CudaSharedMemoryStatus", "CudaSharedMemoryRegister",
                              "CudaSharedMemoryUnregister"]},
}
REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


def new_key(name, roles, models=(MODEL,), limits=None):
    """A key, and the entry of an access file for it."""
    made = subprocess.run([BINARY, "access", "key", name], capture_output=True, text=True, check=True)
    digest = made.stderr.split('sha256 = "')[1].split('"')[0]
    entry = (f'[[key]]\nname = "{name}"\nsha256 = "{digest}"\nroles = {json.dumps(list(roles))}\n'
             f"models = {json.dumps(list(models))}\n" + (f"limits = {limits}\n" if limits else ""))
    return made.stdout.strip(), entry


def bearer(key):
    return {"Authorization": f"Bearer {key}"} if key else {}


def place_models(folder):
    for name in [MODEL, "two"]:
        repository.place(folder, name, repository.identity(), config="max_batch_size: 8\n")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with a key for each role on one of two models, and the keys."""
    folder = tmp_path_factory.mktemp("access")
    place_models(folder / "models")
    made = {role: new_key(role, [role]) for role in ROLES}
    (folder / "access.toml").write_text("".join(entry for _, entry in made.values()))
    keys = {None: None, **{role: key for role, (key, _) in made.items()}}
    with Server("--model-control-mode", "explicit", "--load-model", "*", "--access-file", folder / "access.toml",
                "--log-level", "trace", repository=folder / "models") as server:
        yield server, keys
        log = server.log()
        assert not any(key in log for key in keys.values() if key), "a key is in the log"


def path_of(path):
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    return path


def test_every_route_asks_for_its_role(guarded):
    server, keys = guarded
    status, _, document = server.request("GET", "/openapi.json", headers=bearer(keys["observe"]))
    assert status == 200
    operations = {(method, path) for path, item in json.loads(document)["paths"].items()
                  for method in item if method in ("get", "post", "put", "delete", "patch")}
    assert operations <= set(OPERATIONS), operations - set(OPERATIONS)
    for (method, path), allowed in OPERATIONS.items():
        for role, key in keys.items():
            body = json.dumps(BODY if path.endswith("/infer") else {})
            status, headers, answer = server.request(method.upper(), path_of(path), body, bearer(key))
            refused = 401 if role is None else 403
            expected = f"{method} {path} as {role}: {status} {answer[:120]}"
            assert (status == refused) == (role not in allowed), expected
            if status == 401:
                assert headers["WWW-Authenticate"].startswith("Bearer")
            if path.endswith("/unload") and status == 200:
                assert server.post("/v2/repository/models/one/load", headers=bearer(keys["admin"]))[0] == 200


def test_every_rpc_asks_for_its_role(guarded):
    server, keys = guarded
    methods = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    assert {method.name for method in methods} <= set(RPCS)
    with grpc.insecure_channel(server.grpc_address) as channel:
        for method in methods:
            for role, key in keys.items():
                code = call(channel, method, bearer(key))
                refused = grpc.StatusCode.UNAUTHENTICATED if role is None else grpc.StatusCode.PERMISSION_DENIED
                assert (code == refused) == (role not in RPCS[method.name]), f"{method.name} as {role}: {code}"
    assert server.post("/v2/repository/models/one/load", headers=bearer(keys["admin"]))[0] == 200


def call(channel, method, headers):
    """The status code of one RPC about the model."""
    message = getattr(service_pb2, method.input_type.name)()
    for field in ("name", "model_name"):
        if field in method.input_type.fields_by_name and not method.name.startswith(("System", "Cuda")):
            setattr(message, field, MODEL)
    path = f"/inference.GRPCInferenceService/{method.name}"
    serializers = {"request_serializer": type(message).SerializeToString, "response_deserializer": lambda data: data}
    metadata = [(name.lower(), value) for name, value in headers.items()]
    try:
        if method.name == "ModelStreamInfer":
            list(channel.stream_stream(path, **serializers)(iter([message]), metadata=metadata))
        else:
            channel.unary_unary(path, **serializers)(message, metadata=metadata)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_a_model_that_is_not_the_callers_is_refused_however_it_is_asked_for(guarded):
    server, keys = guarded
    headers = bearer(keys["infer"])
    for model in ["two", "there-is-none"]:
        status, _, answer = server.post(f"/v2/models/{model}/infer", BODY, headers)
        assert status == 403 and b"allowed is infer on one" in answer, answer
        assert server.request("GET", f"/v2/models/{model}", headers=headers)[0] == 403
    tensor = InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        metadata = [("authorization", f"Bearer {keys['infer']}")]
        requests = [service_pb2.ModelInferRequest(model_name=model, inputs=[tensor._get_tensor()],
                                                  raw_input_contents=[tensor._get_content()])
                    for model in [MODEL, "two"]]
        assert stub.ModelInfer(requests[0], metadata=metadata).outputs
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(requests[1], metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        first, second = stub.ModelStreamInfer(iter(requests), metadata=metadata)
        assert not first.error_message and "may not infer on model 'two'" in second.error_message


def test_lists_hold_what_the_caller_may_see(guarded):
    server, keys = guarded
    headers = bearer(keys["observe"])
    index = json.loads(server.post("/v2/repository/index", {}, headers)[2])
    assert {entry["name"] for entry in index} == {MODEL}
    statistics = json.loads(server.request("GET", "/v2/models/stats", headers=headers)[2])
    assert {entry["name"] for entry in statistics["model_stats"]} == {MODEL}
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        metadata = [("authorization", headers["Authorization"])]
        index = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), metadata=metadata)
        assert {entry.name for entry in index.models} == {MODEL}
        statistics = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(), metadata=metadata)
        assert {entry.name for entry in statistics.model_stats} == {MODEL}


def test_wrong_credentials_are_never_as_if_there_were_none(guarded):
    server, keys = guarded
    key = keys["admin"]
    for headers in [bearer(key + "0"), bearer(key[:-1]), {"Authorization": f"Basic {key}"}, {"x-api-key": ""},
                    {**bearer(key), "x-api-key": key}, bearer("a.b.c")]:
        assert server.request("GET", "/v2", headers=headers)[0] == 401, headers
    assert server.request("GET", "/v2", headers={"x-api-key": key})[0] == 200


def test_metrics_and_administration_ask_the_same_policy(guarded):
    server, keys = guarded
    ask = lambda method, path, key, address: server.request(method, path, "{}", bearer(key), address)[0]
    weights = f"/admin/v1/models/{MODEL}/traffic/weights"
    for role, key in keys.items():
        refused = 401 if role is None else 403
        metrics = ask("GET", "/metrics", key, server.metrics_address)
        assert metrics == (200 if role in OBSERVE else refused), role
        seen = ask("GET", f"/admin/v1/models/{MODEL}/traffic", key, server.admin_address)
        assert seen == (200 if role in OBSERVE else refused), role
        changed = ask("PUT", weights, key, server.admin_address)
        assert (changed == refused) == (role not in ADMIN), f"{role}: {changed}"
    assert ask("GET", "/admin/v1/models/two/traffic", keys["observe"], server.admin_address) == 403


def test_quotas_refuse_with_when_to_come_back(tmp_path):
    place_models(tmp_path / "models")
    key, entry = new_key("small", ["infer"], limits="{ requests_per_second = 1, burst = 2 }")
    (tmp_path / "access.toml").write_text(entry)
    with Server("--access-file", tmp_path / "access.toml", repository=tmp_path / "models") as server:
        answers = [server.post(f"/v2/models/{MODEL}/infer", BODY, bearer(key)) for _ in range(12)]
        statuses = [status for status, _, _ in answers]
        assert statuses[:2] == [200, 200] and 429 in statuses, statuses
        refused = answers[statuses.index(429)]
        assert int(refused[1]["Retry-After"]) >= 1 and b"quota" in refused[2]
        with grpc.insecure_channel(server.grpc_address) as channel:
            infer = next(m for m in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
                         if m.name == "ModelInfer")
            codes = {call(channel, infer, bearer(key)) for _ in range(12)}
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes


def test_a_models_quota_is_its_own_and_for_all_callers_together(tmp_path):
    place_models(tmp_path / "models")
    key, entry = new_key("app", ["infer"], [MODEL, "two"])
    (tmp_path / "access.toml").write_text(
        'anonymous = { roles = ["admin"] }\n' + entry +
        '[[model]]\nname = "o*"\nlimits = { requests_per_second = 1, burst = 2 }\n')
    with Server("--access-file", tmp_path / "access.toml", repository=tmp_path / "models") as server:
        answers = [server.post(f"/v2/models/{MODEL}/infer", BODY, bearer(who)) for _ in range(6) for who in (key, None)]
        statuses = [status for status, _, _ in answers]
        assert statuses[:2] == [200, 200] and 429 in statuses, statuses
        _, headers, refusal = answers[statuses.index(429)]
        assert int(headers["Retry-After"]) >= 1 and b"model 'one' is asked more often than its quota" in refusal
        assert server.post("/v2/models/two/infer", BODY)[0] == 200, "another model has another quota, or none"
        with grpc.insecure_channel(server.grpc_address) as channel:
            infer = next(m for m in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
                         if m.name == "ModelInfer")
            assert grpc.StatusCode.RESOURCE_EXHAUSTED in {call(channel, infer, bearer(None)) for _ in range(6)}


def test_a_key_that_is_taken_away_is_refused_without_a_restart(tmp_path):
    place_models(tmp_path / "models")
    access = tmp_path / "access.toml"
    (first, entry), (second, other) = new_key("first", ["infer"]), new_key("second", ["infer"])
    access.write_text(entry)
    with Server("--access-file", access, repository=tmp_path / "models") as server:
        works = lambda key: server.infer(MODEL, BODY, headers=bearer(key).items())[0] == 200
        assert works(first) and not works(second)
        access.write_text("[[key]]\nname = 7\n")
        wait_for(lambda: "the access policy in force stays" in server.log(), "the bad file to be seen", server)
        assert works(first)
        access.write_text(other)
        wait_for(lambda: works(second), "the new key to work", server)
        assert not works(first)


def test_certificates_of_clients_say_who_they_are(tmp_path):
    place_models(tmp_path / "models")
    certs = tmp_path / "certs"
    subprocess.run([BINARY, "certs", certs, "--client", "oss.telco"], check=True, capture_output=True)
    (tmp_path / "access.toml").write_text(
        f'[[certificate]]\nname = "oss"\nidentity = "oss.*"\nroles = ["infer"]\nmodels = ["{MODEL}"]\n')
    options = ("--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem",
               "--tls-client-ca", certs / "ca.pem", "--access-file", tmp_path / "access.toml")
    with Server(*options, repository=tmp_path / "models") as server:
        wait_for(server.tried_all, "the models to load", server)
        context = ssl.create_default_context(cafile=certs / "ca.pem")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            status_over_tls(server, context, "/v2/health/live")
        context.load_cert_chain(certs / "client.pem", certs / "client-key.pem")
        assert status_over_tls(server, context, f"/v2/models/{MODEL}") == 200
        assert status_over_tls(server, context, "/v2/models/two") == 403
    with Server(*options, "--tls-client-auth", "optional", repository=tmp_path / "models") as server:
        wait_for(server.tried_all, "the models to load", server)
        context = ssl.create_default_context(cafile=certs / "ca.pem")
        assert status_over_tls(server, context, "/v2/health/live") == 200
        assert status_over_tls(server, context, f"/v2/models/{MODEL}") == 401


def status_over_tls(server, context, path):
    host, port = server.rest.rsplit(":", 1)
    connection = http.client.HTTPSConnection("localhost", int(port), context=context, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("text, mistake", [
    ('[[key]]\nname = "a"\nsha256 = "00"\nroles = ["infer"]\n', "64 hexadecimal digits"),
    ('anonymous = { roles = ["root"] }\n', "unknown variant"),
    ('[[model]]\nname = "a"\nlimits = { burst = 3 }\n', "burst is of no use"),
    ('[[issuer]]\nissuer = "i"\naudience = "a"\njwks = "none.json"\n', "none.json"),
    (None, "cannot be read"),
])
def test_an_access_file_that_is_not_whole_stops_the_start(small_models, tmp_path, text, mistake):
    access = tmp_path / "access.toml"
    if text is not None:
        access.write_text(text)
    for command in [["serve", "--model-repository", small_models, "--http-port", "0", "--grpc-port", "0",
                     "--metrics-port", "0", "--admin-port", "0", "--access-file", access],
                    ["access", "check", access]]:
        ended = subprocess.run([BINARY, *command], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1 and mistake in ended.stderr, ended.stderr
