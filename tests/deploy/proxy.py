"""nginx before servers: which ones is told by whoever watches them, as Kubernetes tells its proxies.

It never asks a second server when one fails (proxy_next_upstream off), so that no failure is hidden.
"""
import http.client
import shutil
import signal
import socket
import subprocess

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_next_upstream off; grpc_next_upstream off;
  upstream rest {{ {rest} }}
  upstream grpc {{ {grpc} }}
  server {{ listen unix:{folder}/rest.sock; location / {{ proxy_pass http://rest; proxy_http_version 1.1; }} }}
  server {{ listen unix:{folder}/grpc.sock http2; location / {{ grpc_pass grpc://grpc; }} }}
}}
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path, timeout):
        super().__init__("proxy", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Proxy:
    """A running nginx."""

    def __init__(self, folder, servers):
        self.folder, self.process = folder, None
        self._configure(servers)
        self.process = subprocess.Popen([NGINX, "-e", folder / "error.log", "-c", folder / "nginx.conf"])

    def _configure(self, servers):
        def pool(addresses):
            return " ".join(f"server {address} max_fails=0;" for address in addresses)
        rest, grpc = pool(server.rest for server in servers), pool(server.grpc_address for server in servers)
        text = CONFIG.format(folder=self.folder, rest=rest, grpc=grpc)
        (self.folder / "nginx.conf").write_text(text)

    def use(self, servers):
        """From soon on new requests go to these; those under way stay where they are."""
        self._configure(servers)
        self.process.send_signal(signal.SIGHUP)

    def rest(self, timeout):
        return UnixConnection(str(self.folder / "rest.sock"), timeout)

    @property
    def grpc(self):
        return f"unix:{self.folder / 'grpc.sock'}"

    def is_there(self):
        assert self.process.poll() is None, self.log()
        return (self.folder / "grpc.sock").exists()

    def log(self):
        return (self.folder / "error.log").read_text()

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        assert self.process.wait(30) == 0, self.log()
