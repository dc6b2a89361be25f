"""Administration over its own listener, and `girandole traffic`: weights that are set apply, last, and are told of."""
import collections
import http.client
import json
import re
import subprocess

import pytest

import repository
from server import BINARY, PATIENCE, Server, wait_for
from test_traffic import BODY, write

TRAFFIC = """\
# ours
[labels]
stable = 1 # since May
canary = 2

[split]
weights = { stable = 90, canary = 10 } # careful
"""
TOKENS = "# who  token\nops 0123456789abcdef\nci  fedcba9876543210\n"
PATH = "/admin/v1/models/m/traffic"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for version in (1, 2):
        repository.place(folder, "m", repository.scaled(version, 4), version=version)
    write(folder / "m", TRAFFIC)
    return folder


def serve(models, *options):
    return Server("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0",
                  *options, repository=models)


def ask(server, method, path, body=None, **headers):
    """Status, headers and JSON answer of the listener for administration."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = None if body is None else json.dumps(body)
    status, got, answer = server.request(method, path, body, headers, server.admin_address)
    return status, got, json.loads(answer)


def put(server, weights, if_match, **headers):
    return ask(server, "PUT", f"{PATH}/weights", {"weights": weights}, if_match=if_match, **headers)


def weights(server):
    split = json.loads(server.get("/v2/models/m/traffic")[2])["split"]
    return {arm["name"]: arm["weight"] for arm in split["arms"]}


def traffic(server, *words, expected=0):
    """What `girandole traffic` says: to stdout where it ends with 0, else to stderr."""
    command = [BINARY, "traffic", *map(str, words), "--server", f"http://{server.admin_address}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == expected, ran
    return ran.stderr if expected else ran.stdout


def versions(server, count=100):
    """How many of so many requests each version answered."""
    return collections.Counter(server.infer("m", BODY)[1]["model_version"] for _ in range(count))


def test_weights_apply_at_once_keep_the_files_layout_and_outlast_the_server(models):
    file = models / "m" / "traffic.toml"
    with serve(models) as server:
        status, headers, before = ask(server, "GET", PATH)
        assert status == 200 and before["origin"] == "repository" and headers["etag"] == f'"{before["digest"]}"'
        status, headers, after = put(server, {"stable": 75, "canary": 25}, headers["etag"])
        assert status == 200, after
        assert headers["etag"] == f'"{after["digest"]}"' and after["applied"] == after["digest"] != before["digest"]
        assert {arm["name"]: arm["share"] for arm in after["arms"]} == {"canary": 0.25, "stable": 0.75}
        assert file.read_text() == TRAFFIC.replace("stable = 90, canary = 10", "stable = 75, canary = 25")
        got = versions(server)
        assert abs(got["2"] - 25) <= 10, got
        arms = {arm["name"]: arm for arm in ask(server, "GET", PATH)[2]["arms"]}
        assert [arms["canary"][key] for key in ("version", "requests", "errors")] == [2, got["2"], 0]
        assert 0 < arms["stable"]["p50_ms"] <= arms["stable"]["p99_ms"]
    with serve(models) as server:
        assert weights(server) == {"stable": 75, "canary": 25}


def test_what_was_read_must_still_be_there(models):
    with serve(models) as server:
        tag = ask(server, "GET", PATH)[1]["etag"]
        assert put(server, {"stable": 1, "canary": 1}, tag)[0] == 200
        status, _, answer = put(server, {"stable": 2, "canary": 1}, tag)
        assert status == 412 and "read it again" in answer["error"], answer
        assert ask(server, "PUT", f"{PATH}/weights", {"weights": {"1": 1}})[0] == 400, "nothing was read"
        assert weights(server) == {"stable": 1, "canary": 1}
        assert put(server, {"stable": 2, "canary": 1}, "*")[0] == 200


@pytest.mark.parametrize("given, part", [
    ({"stable": 90, "nobody": 10}, "'nobody' is no version"),
    ({"stable": -1, "canary": 10}, "a weight is 0 to"),
    ({"stable": 0, "canary": 0}, "at least one must be above 0"),
    ({}, "at least one must be above 0"),
    ({"stable": "many"}, "invalid type"),
])
def test_refused_weights_leave_everything_as_it_was(models, given, part):
    with serve(models) as server:
        before = ask(server, "GET", PATH)[2]
        status, _, answer = put(server, given, "*")
        assert status == 400 and part in answer["error"], answer
        assert ask(server, "GET", PATH)[2]["digest"] == before["digest"]
        assert weights(server) == {"stable": 90, "canary": 10}
    assert (models / "m" / "traffic.toml").read_text() == TRAFFIC
    assert sorted(path.name for path in (models / "m").iterdir()) == ["1", "2", "traffic.toml"]


def test_a_file_that_comes_by_the_repository_is_newer_than_weights_set_before(models):
    with serve(models) as server:
        assert put(server, {"stable": 1, "canary": 1}, "*")[0] == 200
        write(models / "m", TRAFFIC)
        wait_for(lambda: weights(server) == {"stable": 90, "canary": 10}, "the repository's file", server)


def test_a_model_without_a_file_gets_one(models):
    (models / "m" / "traffic.toml").unlink()
    with serve(models) as server:
        status, headers, answer = ask(server, "GET", PATH)
        assert (status, headers["etag"], answer["digest"], answer["arms"]) == (200, '"none"', None, [])
        assert put(server, {"1": 1, "2": 1}, '"none"')[0] == 200
        wait_for(lambda: server.get("/v2/models/m/versions/1/ready")[0] == 200, "the version that it brings", server)
        assert abs(versions(server)["2"] - 50) <= 10
    assert (models / "m" / "traffic.toml").read_text() == "[split]\nweights = { 1 = 1, 2 = 1 }\n"


def test_nothing_that_a_web_page_can_cause_is_taken(models):
    with serve(models) as server:
        for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{server.admin_address.rsplit(':')[-1]}"},
                        {"Origin": "http://evil.example"}, {"Origin": f"http://{server.admin_address}"}):
            for method, path in (("GET", PATH), ("PUT", f"{PATH}/weights"), ("GET", "/admin/v1/audit"),
                                 ("POST", "/admin/v1/models/m/rollout/promote")):
                status, _, answer = ask(server, method, path, {"weights": {"1": 1}}, if_match="*", **headers)
                assert status == 403 and "only programs on this machine" in answer["error"], (headers, path, answer)
        assert weights(server) == {"stable": 90, "canary": 10}


def test_tokens_are_asked_for_and_say_who_it_was(models, tmp_path):
    tokens, mine = tmp_path / "tokens", tmp_path / "mine"
    tokens.write_text(TOKENS)
    mine.write_text("ci fedcba9876543210\n")
    with serve(models, "--admin-token-file", tokens, "--state-dir", tmp_path / "state") as server:
        for given in ({}, {"Authorization": "Bearer 0123456789abcdeX"}, {"Authorization": "Basic 0123456789abcdef"}):
            status, headers, answer = ask(server, "GET", PATH, **given)
            assert (status, headers["www-authenticate"]) == (401, "Bearer"), answer
        assert put(server, {"1": 1}, "*", Authorization="Bearer 0123456789abcdef")[0] == 200
        assert "401" in traffic(server, "show", "m", expected=1)
        traffic(server, "set", "m", "2=1", "--token-file", mine)
        query = "/admin/v1/audit?model=m&limit=1000"
        entries = ask(server, "GET", query, Authorization="Bearer 0123456789abcdef")[2]["entries"]
        set_by = [(entry["who"], entry["detail"]["weights"]) for entry in entries if entry["what"] == "weights_set"]
        assert set_by == [("ops", {"1": 1}), ("ci", {"2": 1})]
        assert all(entry["peer"].startswith("127.0.0.1:") for entry in entries if entry["what"] == "weights_set")
        assert all(token not in server.log() for token in re.findall(r"\w{16}", TOKENS))


def test_a_public_address_needs_tokens(models, tmp_path):
    command = [BINARY, "serve", "--model-repository", models, "--insecure", "--admin-address", "0.0.0.0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert refused.returncode != 0 and "--admin-token-file" in refused.stderr, refused.stderr
    (tmp_path / "tokens").write_text(TOKENS)
    with serve(models, "--insecure", "--admin-address", "0.0.0.0", "--admin-token-file", tmp_path / "tokens") as server:
        port = server.admin_address.rsplit(":")[-1]
        status, _, body = server.request("GET", PATH, address=f"127.0.0.1:{port}")
        assert status == 401, body


def test_administration_can_be_off_and_is_nowhere_else(models):
    with serve(models, "--admin-address", "off") as server:
        assert server.admin_address == "off"
        assert server.get(PATH)[0] == 404


def test_administration_speaks_tls_like_the_rest(models, tmp_path):
    certificates = tmp_path / "certs"
    subprocess.run([BINARY, "certs", certificates], check=True, capture_output=True)
    with serve(models, "--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server-key.pem") as server:
        wait_for(lambda: server.tried_all(), "the model", server)
        address = server.admin_address.replace("127.0.0.1", "localhost")
        command = [BINARY, "traffic", "show", "m", "--server", f"https://{address}"]
        trusting = subprocess.run([*command, "--ca", certificates / "ca.pem"], capture_output=True, text=True)
        assert trusting.returncode == 0 and "label canary: version 2" in trusting.stdout, trusting
        careful = subprocess.run(command, capture_output=True, text=True)
        assert careful.returncode == 1 and "--ca" in careful.stderr
        with pytest.raises((http.client.HTTPException, OSError)):
            server.request("GET", PATH, address=server.admin_address)


def test_the_command_line_shows_and_sets(models):
    with serve(models) as server:
        got = {version: str(count) for version, count in versions(server).items()}
        shown = traffic(server, "show", "m").splitlines()
        digest = ask(server, "GET", PATH)[2]["digest"][:8]
        assert shown[:3] == [f"m: traffic.toml {digest} of the repository", "label canary: version 2",
                             "label stable: version 1"]
        assert [line.split()[:6] for line in shown[4:]] == [["canary", "10", "10.00", "2", got["2"], "0"],
                                                            ["stable", "90", "90.00", "1", got["1"], "0"]]
        shown = traffic(server, "set", "m", "stable=60", "canary=40")
        assert "40    40.00" in shown and weights(server) == {"stable": 60, "canary": 40}
        assert json.loads(traffic(server, "show", "m", "--json"))["arms"][0]["weight"] == 40
        refused = traffic(server, "set", "m", "stable=60", "nobody=40", expected=1)
        assert "400" in refused and "'nobody' is no version" in refused
        assert "named twice" in traffic(server, "set", "m", "stable=1", "stable=2", expected=1)
        assert "unknown model 'nobody'" in traffic(server, "show", "nobody", expected=1)
        assert weights(server) == {"stable": 60, "canary": 40}
    assert "girandole: " in traffic(server, "show", "m", expected=1), "nobody is there any more"


def test_a_live_view_is_plain_lines_where_there_is_no_terminal(models):
    with serve(models) as server:
        command = [BINARY, "traffic", "show", "m", "--watch", "--server", f"http://{server.admin_address}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
            first = [watching.stdout.readline() for _ in range(2)]
            assert put(server, {"stable": 1, "canary": 1}, "*")[0] == 200
            wait_for(lambda: "canary weight=1 share=0.5000" in watching.stdout.readline(), "the new weights", server)
            watching.kill()
    assert re.fullmatch(r"\S+Z m canary weight=10 share=0\.1000 version=2 requests=0 errors=0 p50_ms=- p99_ms=-\n",
                        first[0]), first


@pytest.fixture
def read_only(models):
    """The model's directory, in which nobody can create a file."""
    folder = models / "m"
    chattr = subprocess.run(["chattr", "+i", folder], capture_output=True, text=True)
    if chattr.returncode:
        folder.chmod(0o555)
        try:
            (folder / "probe").touch()
            (folder / "probe").unlink()
            pytest.skip("this user can write everywhere")
        except PermissionError:
            pass
    yield folder
    subprocess.run(["chattr", "-i", folder], capture_output=True)
    folder.chmod(0o755)


def test_a_read_only_repository_is_overlaid_by_the_state_directory(models, read_only, tmp_path):
    state = tmp_path / "state"
    with serve(models) as server:
        status, _, answer = put(server, {"stable": 1, "canary": 1}, "*")
        assert status == 403 and "--state-dir" in answer["error"], answer
        assert weights(server) == {"stable": 90, "canary": 10}
    with serve(models, "--state-dir", state) as server:
        status, _, answer = put(server, {"stable": 1, "canary": 1}, "*")
        assert status == 200 and answer["origin"] == "state", answer
        assert abs(versions(server)["2"] - 50) <= 10
    assert (read_only / "traffic.toml").read_text() == TRAFFIC
    with serve(models, "--state-dir", state) as server:
        assert weights(server) == {"stable": 1, "canary": 1}
        assert "of the state" in traffic(server, "show", "m")
        subprocess.run(["chattr", "-i", read_only], capture_output=True)
        read_only.chmod(0o755)
        write(read_only, TRAFFIC.replace("stable = 90, canary = 10", "stable = 80, canary = 20"))
        wait_for(lambda: weights(server) == {"stable": 80, "canary": 20}, "the repository's newer file", server)
        assert ask(server, "GET", PATH)[2]["origin"] == "repository"
    assert not list((state / "traffic").iterdir())
