"""The same client for every server: curl processes, and what they and the servers cost."""

import os
import pathlib
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Request:
    """One file on its way to `url`."""

    url: str
    file: pathlib.Path
    method: str = "PUT"
    headers: list = field(default_factory=list)


def config(requests, ca, http):
    """What curl reads with `--config`."""
    said = []
    for request in requests:
        # To an address that ends in a slash `upload-file` would add the name of the file.
        body = f'data-binary = "@{request.file}"' if request.method == "POST" else \
            f'upload-file = "{request.file}"'
        lines = [f'url = "{request.url}"', body,
                 f'request = "{request.method}"', 'output = "/dev/null"', 'header = "Expect:"',
                 "silent", "show-error", "fail", "max-time = 900",
                 "http2" if http == 2 else "http1.1"]
        if ca and request.url.startswith("https:"):
            lines.append(f'cacert = "{ca}"')
        lines += [f'header = "{header}"' for header in request.headers]
        said.append("\n".join(lines))
    return "\nnext\n".join(said) + "\n"


def send(lots, ca, http, at_once):
    """Sends every lot with a curl of its own, `at_once` requests at a time. HTTP/2 requests of one
    lot share one connection. Seconds until the last answer, and curl's seconds of CPU."""
    with tempfile.TemporaryDirectory(prefix="stemvault-bench-") as home:
        words = []
        for nth, lot in enumerate(lots):
            file = pathlib.Path(home) / f"{nth}"
            file.write_text(config(lot, ca, http))
            many = ["--no-progress-meter", "--parallel", "--parallel-max", str(at_once)] if len(lot) > 1 else []
            words.append(["curl", "--config", str(file), *many])
        began = time.monotonic()
        running = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for line in words]
        cpu, codes = 0.0, []
        for process in running:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            codes.append(process.returncode)
            cpu += used.ru_utime + used.ru_stime
        took = time.monotonic() - began
    if any(codes):
        raise SystemExit(f"curl ended with {codes}")
    return took, cpu


class Cost:
    """CPU and memory of a process and its children, from now on."""

    def __init__(self, pid):
        self.pids = [pid, *children(pid)]
        self.began = sum(map(cpu, self.pids))
        for pid in self.pids:
            # From now on the peak is counted anew.
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def cpu(self):
        return sum(map(cpu, self.pids)) - self.began

    def peak(self):
        """MiB."""
        return sum(map(high_water, self.pids)) / 1024


def fields(pid):
    # The name of the program may hold anything, also blanks and brackets.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu(pid):
    return sum(map(int, fields(pid)[11:13])) / TICKS


def children(parent):
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(fields(place.name)[1]) == parent:
                found.append(int(place.name))
        except OSError:
            # It ended while we looked.
            continue
    return found


def high_water(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
