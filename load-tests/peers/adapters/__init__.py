"""One file for each server: what is installed, how it is started, where it answers.

PACKAGES   what pip installs into an environment of its own, or none
PATH       where it answers a model's requests
READY      what answers 200 once it can
NOTE       what there is to know about how it is set up
start(at)  command and environment variables, after writing what it needs into at.folder
"""
import dataclasses
import pathlib

HERE = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Start:
    """What a server is started with."""
    model: str
    file: pathlib.Path
    folder: pathlib.Path        # an empty one, for configurations
    port: int
    more_ports: tuple           # two that are free
    environment: pathlib.Path   # where PACKAGES are installed
    binary: pathlib.Path        # girandole, or what a peer is built as

    @property
    def python(self):
        return self.environment / "bin/python"

    @property
    def packages(self):
        return next((self.environment / "lib").glob("python3*/site-packages"))

    def variables(self, **more):
        """What the programs beside this folder read."""
        return {"PEERS": str(HERE), "MODEL_NAME": self.model, "MODEL_FILE": str(self.file), "PORT": str(self.port),
                "OMP_NUM_THREADS": "1", **more}
