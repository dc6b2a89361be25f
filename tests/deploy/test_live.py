"""The server takes the configuration that the chart writes, answers its probes, and follows a ConfigMap's files."""
import http.client
import os
import pathlib
import shutil
import ssl
import subprocess

import chart
from server import BINARY, Server, wait_for

MODELS = chart.ROOT / "model-repo"
TRAFFIC = "[labels]\nstable = {}\n[split]\nweights = {{ stable = 1 }}\n"


def configuration(folder, case):
    """The chart's girandole.toml, with its folders here, no GPU and this machine's addresses."""
    text = chart.objects(case)["ConfigMap", "demo-girandole"]["data"]["girandole.toml"]
    subprocess.run([BINARY, "certs", folder / "certs"], check=True, capture_output=True)
    (folder / "state").mkdir()
    # What Prometheus reads without a key.
    (folder / "access.toml").write_text('anonymous = { roles = ["observe"] }\n')
    (folder / "model.key").write_text("0" * 64)
    for there, here in (("/models", MODELS), ("/var/lib/girandole", folder / "state"), ("0.0.0.0", "127.0.0.1"),
                        ("/etc/girandole/tls/tls.crt", folder / "certs" / "server.pem"),
                        ("/etc/girandole/tls/tls.key", folder / "certs" / "server-key.pem"),
                        ("/etc/girandole/access", folder), ("/etc/girandole/encryption", folder),
                        ("require_gpu = true", ""), ("require_sha256sums = true", ""),
                        # The example models are not signed.
                        ('trusted_keys = "/etc/girandole/signatures/trusted.pem"', "")):
        text = text.replace(there, str(here))
    (folder / "girandole.toml").write_text(text)
    return folder / "girandole.toml"


def test_the_server_takes_the_charts_configuration_and_answers_its_probes(tmp_path):
    for case in chart.CASES:
        folder = tmp_path / case
        folder.mkdir()
        container = chart.pod(case)["containers"][0]
        # A kubelet does not check certificates either.
        unchecked = ssl._create_unverified_context()
        with Server("--config", configuration(folder, case), "--shutdown-grace-secs", "0") as server:
            def status(probe):
                connection = http.client.HTTPSConnection(server.rest, timeout=5, context=unchecked)
                connection.request("GET", container[probe]["httpGet"]["path"])
                return connection.getresponse().status
            assert server.tls == "on"
            wait_for(lambda: status("readinessProbe") == 200, "the server to be ready", server)
            assert status("livenessProbe") == 200
            assert "text/plain" in server.request("GET", "/metrics", address=server.metrics_address)[1]["content-type"]


class ConfigMap:
    """A ConfigMap's volume as a kubelet keeps it: the files are links through ..data, which is swapped in one step."""

    def __init__(self, folder):
        self.folder, self.number = folder, 0
        folder.mkdir()

    def write(self, files):
        self.number += 1
        data = self.folder / f"..{self.number}"
        data.mkdir()
        for name, text in files.items():
            (data / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(pathlib.Path("..data") / name)
        (self.folder / "..new").symlink_to(data.name)
        os.replace(self.folder / "..new", self.folder / "..data")


def link(models, traffic, *names):
    """What the chart's init container does."""
    script = (chart.CHART / "files" / "link-traffic.sh").read_text()
    environment = os.environ | {"MODELS": str(models), "TRAFFIC": str(traffic)}
    done = subprocess.run(["sh", "-euc", script, "link-traffic", *names], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def version_of(server):
    """Which version answers who names none."""
    example = (MODELS / "congestion" / "example.json").read_text()
    status, _, answer = server.post("/v2/models/congestion/infer", example)
    assert status == 200, answer
    return answer.decode().split('"model_version":"')[1].split('"')[0]


def test_traffic_files_of_a_configmap_are_followed(tmp_path):
    models, traffic = tmp_path / "models", ConfigMap(tmp_path / "traffic")
    shutil.copytree(MODELS / "congestion", models / "congestion")
    traffic.write({"congestion.toml": TRAFFIC.format(1)})
    assert "congestion/traffic.toml ->" in link(models, traffic.folder, "congestion")
    assert link(models, traffic.folder, "congestion") == "", "a link that is right stays"
    options = ("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0")
    with Server(*options, repository=models) as server:
        assert version_of(server) == "1"
        traffic.write({"congestion.toml": TRAFFIC.format(2)})
        wait_for(lambda: version_of(server) == "2", "the new split", server)
        traffic.write({"congestion.toml": "[labels]\nstable = nonsense\n"})
        wait_for(lambda: 'girandole_traffic_refused{model="congestion"} 1' in server.metrics(), "the refusal", server)
        assert version_of(server) == "2"
        traffic.write({"congestion.toml": TRAFFIC.format(1)})
        wait_for(lambda: version_of(server) == "1", "the way back", server)


def test_links_replace_files_and_leave_nothing_behind(tmp_path):
    models = tmp_path / "models"
    (models / "old").mkdir(parents=True)
    (models / "old" / "traffic.toml").write_text("[labels]\n")
    link(models, tmp_path / "traffic", "old", "new.model")
    for name in ("old", "new.model"):
        assert os.readlink(models / name / "traffic.toml") == str(tmp_path / "traffic" / f"{name}.toml")
        assert os.listdir(models / name) == ["traffic.toml"]
