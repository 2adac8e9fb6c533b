"""Servers to compare, started fresh on free ports, and redis-benchmark: what compare and peer-debit share.

Whatever goes wrong ends the program with a sentence: what, where, what to do next. Servers are stopped by their own
process handle, never by name.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
RAND = "__rand_int__"  # redis-benchmark puts 12 digits below -r in its place, anew at each occurrence
FUNDS = 1_000_000_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SLICE_LEN = 500  # commands that are sent before their answers are read, while funding
START_S_MAX = 30
# Beyond p99 redis-benchmark lists latencies at 99.902 %, 99.951 % ...: the first one at or beyond is taken.
TAIL = {"p999": 99.9, "p9999": 99.99}


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class Server:
    """A started server with its own directory below `work`. `prefix` stands before the 12 digits of an account."""

    prefix = ""
    # What redis-benchmark gets instead of the plain port.
    secure = None

    def __init__(self, name, argv, port, work):
        self.name, self.argv, self.port, self.work = name, argv, port, pathlib.Path(work)
        self.log = self.work / f"{name}.log"
        with open(self.log, "wb") as log:
            # A session of its own: Ctrl-C reaches us alone, and we stop it.
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        try:
            self.await_start()
        except BaseException:
            self.stop()
            raise

    def await_start(self):
        ends_at = time.monotonic() + START_S_MAX
        while time.monotonic() < ends_at and self.process.poll() is None:
            try:
                if self.ask("PING").startswith(b"+PONG"):
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit(f"{' '.join(self.argv)}\ndoes not answer; {self.said()}")

    def said(self):
        """The end of its log, for a message: the log itself does not outlive the program."""
        ended = "" if self.process.poll() is None else f"it ended with exit code {self.process.poll()}; "
        return f"{self.name}: {ended}its log ends so:\n{self.log.read_text()[-1500:]}"

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, *words):
        """The answer if it is one line or one string; else its first line."""
        with self.connect() as peer, peer.makefile("rb") as answer:
            peer.sendall(encode(*words))
            line = answer.readline()
            return answer.read(int(line[1:])) if line.startswith(b"$") else line

    def info(self):
        """The fields of INFO, as text."""
        lines = self.ask("INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def load(self, what, numbers, words):
        """Pipelines words(account) for each of these accounts, a slice at a time; any error ends the program."""
        started = time.monotonic()
        with self.connect() as peer, peer.makefile("rb") as answers:
            for first in range(0, len(numbers), SLICE_LEN):
                wanted = numbers[first : first + SLICE_LEN]
                peer.sendall(b"".join(encode(*words(f"{n:012}")) for n in wanted) + encode("ECHO", "slice-ends"))
                while (line := answers.readline()) != b"slice-ends\r\n":
                    if not line or line.startswith(b"-"):
                        sys.exit(f"{what}: an answer was {line!r}; {self.said()}")
        print(f"{self.name}: {len(numbers)} {what} in {time.monotonic() - started:.0f} s", flush=True)

    def fund(self, numbers, prefix=None):
        prefix = self.prefix if prefix is None else prefix
        self.load("accounts funded", numbers, lambda digits: self.fund_words(prefix + digits))

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def anonymous_bytes(self):
        """Resident memory that is not a file's."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    def device_bytes(self):
        """Bytes that it made the kernel write."""
        counts = pathlib.Path(f"/proc/{self.process.pid}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)", counts, re.M).group(1))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Certificate:
    """A certificate for 127.0.0.1, signed by itself, and a port for TLS: settings of a server, words for who connects."""

    def __init__(self, work):
        self.key, self.cert = f"{work}/tls.key", f"{work}/tls.crt"
        make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {self.key} -out {self.cert}"
        subprocess.run(make.split(), check=True, capture_output=True)

    def settings(self):
        """The same words for creditd and for Redis, and where redis-benchmark finds the server."""
        port = str(free_port())
        settings = ["--tls-port", port, "--tls-cert-file", self.cert, "--tls-key-file", self.key]
        settings += ["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]
        return settings, ["-p", port, "--tls", "--insecure"]


class Creditd(Server):
    prefix = "acct:"

    def __init__(self, name, work, binary, *settings):
        port, self.data = free_port(), f"{work}/{name}"
        argv = [str(binary), "--port", str(port), "--data-dir", self.data, "--log-level", "warn", *settings]
        super().__init__(name, argv, port, work)

    def fund_words(self, account):
        return ["CREDIT.GRANT", account, "fund", FUNDS]

    def debit_words(self, account, tx):
        return ["CREDIT.DEBIT", account, tx, 1]


class Redis(Server):
    """With the functions of peer_functions.lua; its append-only file is never rewritten while it is measured."""

    def __init__(self, name, work, appendfsync, *settings):
        port, self.data = free_port(), f"{work}/{name}"
        pathlib.Path(self.data).mkdir()
        argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", self.data, "--save", ""]
        argv += ["--appendonly", "yes", "--appendfsync", appendfsync, "--auto-aof-rewrite-percentage", "0", *settings]
        super().__init__(name, argv, port, work)

    def await_start(self):
        super().await_start()
        loaded = self.ask("FUNCTION", "LOAD", (HERE / "peer_functions.lua").read_bytes())
        if b"peer_credit" not in loaded:
            sys.exit(f"FUNCTION LOAD: {loaded!r}: Redis 7 or newer is needed; {self.said()}")

    def fund_words(self, account):
        return ["HSET", f"a:{account}", "balance", FUNDS, "reserved", 0]

    def debit_words(self, account, tx):
        return ["FCALL", "debit_list", 3, f"a:{account}", f"t:{account}:{tx}", f"l:{account}", 1, tx, 86400]

    def reserve_capture_words(self, account, tx):
        keys = [f"a:{account}", f"t:{account}:{tx}", f"l:{account}", f"h:{account}:{tx}", f"x:{account}"]
        return ["FCALL", "reserve_capture", 5, *keys, 1, tx, 86400, 300_000]


class Steal:
    """`with Steal() as steal`: then steal.percent is the share of CPU time that neighbours on the same host took."""

    def __enter__(self):
        self.before = self.ticks()
        return self

    def __exit__(self, *_):
        stolen, everything = (after - before for after, before in zip(self.ticks(), self.before))
        self.percent = 100 * stolen / max(everything, 1)

    def ticks(self):
        ticks = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return ticks[7], sum(ticks)


def fresh_tag():
    """redis-benchmark's random sequence repeats between runs: a tag before it makes the ids of each run its own."""
    return f"{time.time_ns() // 1_000_000 % 10**9}"


def redis_benchmark(server, words, clients, pipeline, operations, keys):
    """One run: (its command line, figures): ops a second, latencies in ms, CPU of the server in us an operation."""
    argv = ["redis-benchmark", *(server.secure or ["-p", server.port]), "-c", clients, "-P", pipeline, "-n", operations]
    argv = [str(word) for word in [*argv, "-r", keys, "--precision", 3, *words]]
    cpu_s = server.cpu_s()
    done = subprocess.run(argv, capture_output=True, text=True)
    cpu_us = (server.cpu_s() - cpu_s) * 1e6 / operations
    output = done.stdout.replace("\r", "\n")
    ops = re.search(r"throughput summary: ([\d.]+)", output)
    latency = re.search(r"avg\s+min\s+p50\s+p95\s+p99\s+max\s+" + r"([\d.]+)\s+" * 6, output + "\n")
    if not ops or not latency:
        output = "\n".join(line for line in output.splitlines() if "rps=" not in line and line.strip())
        sys.exit(f"{' '.join(argv)}\nsaid: {output[-800:]}{done.stderr}\n{server.said()}")
    _, _, p50, _, p99, highest = map(float, latency.groups())
    figures = {"ops": float(ops.group(1)), "cpu_us": cpu_us, "p50": p50, "p99": p99, "max": highest}
    curve = re.findall(r"^([\d.]+)% <= ([\d.]+) milliseconds", output.split("Cumulative distribution")[0], re.M)
    for name, percentile in TAIL.items():
        figures[name] = next(float(ms) for at, ms in curve if float(at) >= percentile)
    return " ".join(argv), figures


def install(packages):
    """Installs these Debian packages, or says that somebody has to."""
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(
            f"missing: {' '.join(packages)}. As root on Debian: apt-get update && apt-get install {' '.join(packages)}"
        )
    print(f"installing {' '.join(packages)} with apt-get", flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for argv in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]):
        if subprocess.run(argv, **quiet).returncode:
            sys.exit(f"{' '.join(argv)} failed: what it said is above")


def missing_redis():
    """The packages of Redis that are not here."""
    programs = {"redis-server": "redis-server", "redis-benchmark": "redis-tools"}
    return [package for program, package in programs.items() if not shutil.which(program)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
