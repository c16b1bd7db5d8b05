"""The servers that are measured: how each is started, asked, emptied and ended.

A server has a `name`, the HTTP versions it speaks (`https`), whether what it has answered is on the
disk (`durable`), and `requests(files, whole)`: what to send, `whole` when every file is to travel
in the one request that creates it.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib

from curl import Request, send

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache"
NUMBER = "2026-0117"
OCTETS = "Content-Type: application/offset+octet-stream"
TUS = "Tus-Resumable: 1.0.0"
NGINX = """
{user} worker_processes 2; daemon off; pid {home}/nginx.pid; error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2; root {home}/files;
    ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    client_max_body_size 0; client_body_buffer_size 1m; keepalive_requests 100000;
    location / {{ dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def built(package, program):
    words = ["cargo", "build", "--release", "--locked", "--quiet", "-p", package]
    run([*words, "--bin", program], cwd=ROOT)
    return ROOT / "target/release" / program


def in_base64(text):
    return base64.b64encode(text.encode()).decode()


class Server:
    """A process with a folder of its own."""

    https = (1, 2)
    durable = False

    def begin(self, home, words, address=None):
        """Starts it; `address` is waited for in what it prints if it is not known before."""
        self.home = home
        log = home / f"{type(self).__name__.lower()}.log"
        self.log = open(log, "w")
        self.process = subprocess.Popen([str(word) for word in words], stdout=self.log,
                                        stderr=self.log)
        for _ in range(1500):
            found = re.search(address, log.read_text()) if address else self.listens()
            if found or self.process.poll() is not None:
                break
            time.sleep(0.02)
        if not found:
            raise SystemExit(f"{self.name} does not start:\n{log.read_text()}")
        return found

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def sync(self):
        """Seconds until what the server has answered is on the disk: eight threads, as several
        requests would."""
        if self.durable:
            return 0.0
        def one(path):
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
        began = time.monotonic()
        files = [entry.path for entry in os.scandir(self.files) if entry.is_file()]
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(one, files))
        one(self.files)
        return time.monotonic() - began

    def drop(self):
        """Removes what was uploaded."""
        for entry in os.scandir(self.files):
            os.unlink(entry.path)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


class Stemvault(Server):
    durable = True

    def __init__(self, home, *words):
        self.name = "stemvault"
        program = os.environ.get("STEMVAULT_BIN") or built("stemvault", "stemvault")
        self.data = home / "data"
        settings = home / "stemvault.toml"
        settings.write_text('[uploads]\nfree_disk_floor = { bytes = "1 GB", percent = 0 }\n')
        found = self.begin(home, [program, "serve", "--listen", "127.0.0.1:0", "--data-dir",
                                  self.data, "--config", settings, *words],
                           r"https://127\.0\.0\.1:[1-9]\d*")
        self.base = found[0]
        told = tomllib.loads((self.data / "cli.toml").read_text())
        self.ca = told["ca"]
        self.token = f"Authorization: Bearer {told['token']}"
        self.curl("--retry", 50, "--retry-connrefused", "--retry-delay", 1, self.base + "/readyz")
        self.api("orders", number=NUMBER, client="bench")

    def curl(self, *words):
        return run(["curl", "--silent", "--show-error", "--fail", "--http1.1", "--cacert", self.ca,
                    *map(str, words)])

    def api(self, path, /, **body):
        asked = ["--json", json.dumps(body)] if body else []
        return json.loads(self.curl("--header", self.token, *asked, f"{self.base}/api/v1/{path}"))

    def post(self, path, /, **body):
        said = self.curl("--header", self.token, "--json", json.dumps(body),
                         f"{self.base}/api/v1/{path}")
        return json.loads(said)

    def requests(self, files, whole, number=NUMBER):
        made = []
        for nth, file in enumerate(files):
            head = [self.token, TUS]
            size = file.stat().st_size
            new = [f"Upload-Length: {size}", "Upload-Metadata: filename "
                   f"{in_base64(f'{nth}.bin')},order {in_base64(number)},"
                   f"kind {in_base64('material')}"]
            if whole:
                made.append(Request(f"{self.base}/files/", file, "POST", [*head, *new, OCTETS]))
                continue
            said = self.curl("--dump-header", "-", "--request", "POST",
                             *(word for line in [*head, *new] for word in ("--header", line)),
                             f"{self.base}/files/")
            url = re.search(r"(?im)^location:\s*(\S+)", said)[1]
            url = url if url.startswith("http") else self.base + url
            made.append(Request(url, file, "PATCH", [*head, "Upload-Offset: 0", OCTETS]))
        return made

    def drop(self):
        uploads = self.api(f"orders/{NUMBER}/uploads")["uploads"]
        nothing = pathlib.Path("/dev/null")
        asked = [Request(f"{self.base}/files/{upload['id']}", nothing, "DELETE", [self.token, TUS])
                 for upload in uploads]
        if asked:
            send([asked], self.ca, 2, 16)


class Bare(Server):
    durable = True

    def __init__(self, home, cert, key):
        self.name = "bare hyper + rustls"
        self.files = home / "bare"
        self.files.mkdir()
        program = os.environ.get("BARE_BIN") or built("stemvault-tests", "bare")
        self.base = self.begin(home, [program, cert, key, self.files], r"https://\S+")[0]

    def requests(self, files, whole):
        return [Request(f"{self.base}/{nth}.bin", file) for nth, file in enumerate(files)]


class Nginx(Server):
    def __init__(self, home, cert, key):
        program = nginx_program()
        version = run([program, "-v"], stderr=subprocess.STDOUT).strip().split("/")[-1]
        self.name = f"nginx {version} dav PUT"
        home = home / "nginx"
        self.files = home / "files"
        self.files.mkdir(parents=True)
        self.port = free_port()
        conf = home / "nginx.conf"
        user = "user root;" if os.getuid() == 0 else ""
        conf.write_text(NGINX.format(user=user, home=home, port=self.port, cert=cert, key=key))
        self.base = f"https://127.0.0.1:{self.port}"
        self.begin(home, [program, "-p", home, "-c", conf])

    requests = Bare.requests


class TusPeer(Server):
    """Another tus server; `base` is where uploads are created."""

    def requests(self, files, whole):
        made = []
        for nth, file in enumerate(files):
            new = [TUS, f"Upload-Length: {file.stat().st_size}",
                   f"Upload-Metadata: filename {in_base64(f'{nth}.bin')}"]
            if whole:
                made.append(Request(self.base, file, "POST", [*new, OCTETS]))
                continue
            words = [word for line in new for word in ("--header", line)]
            said = run(["curl", "--silent", "--show-error", "--fail", "--insecure",
                        "--dump-header", "-", "--request", "POST", *words, self.base])
            url = re.search(r"(?im)^location:\s*(\S+)", said)[1]
            url = url if url.startswith("http") else self.origin + url
            made.append(Request(url, file, "PATCH", [TUS, "Upload-Offset: 0", OCTETS]))
        return made


class Tusd(TusPeer):
    def __init__(self, home, cert, key):
        program = os.environ["TUSD_BIN"]
        version = re.search(r"Version: *(\S+)", run([program, "-version"]))
        self.name = f"tusd {version[1] if version else 'of unknown version'}"
        self.files = home / "tusd"
        self.files.mkdir()
        self.port = free_port()
        self.origin = f"https://127.0.0.1:{self.port}"
        self.base = f"{self.origin}/files/"
        self.begin(home, [program, "-host", "127.0.0.1", "-port", self.port, "-upload-dir",
                          self.files, "-tls-certificate", cert, "-tls-key", key,
                          "-disable-download", "-verbose=false", "-show-greeting=false"])


class TusNode(TusPeer):
    https = (1,)

    def __init__(self, home, cert, key):
        peers = pathlib.Path(os.environ.get("TUS_NODE_PEERS", HERE / "peers"))
        if not (peers / "node_modules/@tus/server").exists():
            run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=peers)
        about = json.loads((peers / "node_modules/@tus/server/package.json").read_text())
        self.name = f"@tus/server {about['version']}"
        self.files = home / "node"
        self.files.mkdir()
        words = ["node", peers / "tus-server.mjs", cert, key, self.files]
        self.origin = self.begin(home, words, r"https://\S+")[0]
        self.base = f"{self.origin}/files"


class Rustus(TusPeer):
    """It has no TLS: what it gains by that it keeps. It holds each body in memory, 256 KiB unless told."""

    https = (1,)

    def __init__(self, home, cert, key):
        program = os.environ["RUSTUS_BIN"]
        self.name = f"{run([program, '--version']).strip()} without TLS"
        self.files = home / "rustus"
        self.files.mkdir()
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.origin}/files"
        self.begin(home, [program, "--host", "127.0.0.1", "--port", self.port, "--data-dir",
                          self.files, "--info-dir", self.files, "--dir-structure", ".",
                          "--log-level", "ERROR", "--max-body-size", 4 << 30])


PEERS = {"bare": Bare, "nginx": Nginx, "tusd": Tusd, "node": TusNode, "rustus": Rustus}


def start_peers(names, home, ours):
    """The peers that are there; the others are named."""
    tls = ours.data / "tls"
    peers = []
    for name in names:
        try:
            peers.append(PEERS[name](home, tls / "cert.pem", tls / "key.pem"))
        except KeyError as missing:
            say(f"absent: {name} (set {missing.args[0]} to its program)")
        except (OSError, subprocess.CalledProcessError) as problem:
            say(f"absent: {name} ({problem})")
    return peers


def nginx_program():
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found:
        return found
    place = CACHE / "nginx"
    program = place / "usr/sbin/nginx"
    if not program.exists():
        place.mkdir(parents=True, exist_ok=True)
        say("unpacking Debian's nginx into .cache/nginx")
        run(["apt-get", "-qq", "download", "nginx"], cwd=place, stderr=subprocess.DEVNULL)
        for package in place.glob("nginx_*.deb"):
            run(["dpkg", "-x", str(package), str(place)])
    return str(program)
