"""What was measured as a page: tables, plots and raw results, between two marks of docs/benchmarks.md."""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

from comparison import plot
from comparison.fleet import CREDITDS, TITLES
from comparison.postgres import binaries
from comparison.rows import ROWS, cells_of

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEADS = ["measure", *(TITLES[key] for key in CREDITDS), "peer", "ratio", "target", "reached", "most steal"]
FIGURES = {  # figure -> (head, form)
    "ops": ("ops/s", "{:,.0f}"),
    "pairs": ("pairs/s", "{:,.0f}"),
    "rate": ("offered/s", "{:,.0f}"),
    "success": ("done within 1 s, %", "{:.3f}"),
    "p50": ("p50 ms", "{:.3f}"),
    "p99": ("p99 ms", "{:.3f}"),
    "p999": ("p99.9 ms", "{:.3f}"),
    "p9999": ("p99.99 ms", "{:.3f}"),
    "max": ("max ms", "{:.3f}"),
    "lag": ("lag of the test itself, p99 ms", "{:.3f}"),
    "cpu_us": ("server CPU us/op", "{:.2f}"),
    "pair_cpu_us": ("server CPU us/pair", "{:.2f}"),
    "bytes": ("bytes", "{:.1f}"),
    "resident": ("bytes by growth of RssAnon", "{:.1f}"),
    "count": ("of", "{:,.0f}"),
    "kib": ("KiB", "{:.2f}"),
    "steal": ("steal %", "{:.1f}"),
}


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def summary(runner):
    return table(HEADS, [cells for row in ROWS if (cells := cells_of(row, runner))])


def details(runner):
    """Every cell: medians, and the commands."""
    for cell, servers in runner.cells.items():
        figures = [figure for figure in FIGURES if any(figure in kept["runs"] for kept in servers.values())]
        rows = [
            [TITLES[server], *(shown(runner.median(cell, server, figure), figure) for figure in figures)]
            for server in servers
        ]
        yield table([f"**{cell}**", *(FIGURES[figure][0] for figure in figures)], rows)
        commands = [f"# {TITLES[server]}\n{kept['command']}" for server, kept in servers.items()]
        yield "```\n" + "\n".join(commands) + "\n```"


def shown(value, figure):
    return "" if value is None else FIGURES[figure][1].format(value)


def plots(runner):
    """SVG by file name; a plot whose figures were not all measured is left out."""
    titles = TITLES | {"redis": "Redis debit_list"}
    series = lambda points, keys: [
        (titles[key], [runner.median(at, key, figure) for at, figure in points]) for key in keys
    ]
    debits = {f"debit-{pipeline}": f"pipeline {pipeline}" for pipeline in (1, 16, 64)}
    if debits.keys() <= runner.cells.keys():
        keys, groups = (*CREDITDS, "redis", "ping"), list(debits.values())
        ops = series([(cell, "ops") for cell in debits], keys)
        yield "operations", plot.page(plot.bars("operations a second, 50 connections", groups, ops))
        cpu = series([(cell, "cpu_us") for cell in debits], keys)
        yield "cpu", plot.page(plot.bars("server CPU, us an operation", groups, cpu))
        marks = {"p50": "50 %", "p99": "99 %", "p999": "99.9 %", "p9999": "99.99 %", "max": "the longest"}
        tail = series([("debit-1", mark) for mark in marks], keys)
        title = "latency in ms by percentile, no pipeline, 50 connections"
        yield "latency", plot.page(plot.bars(title, list(marks.values()), tail))
    peaks = ("peak-low", "peak-mid", "peak-high")
    if set(peaks) <= runner.cells.keys():
        rates = [f"{runner.median(cell, 'creditd-1', 'rate'):,.0f} offered a second" for cell in peaks]
        keys = (*CREDITDS, "postgres")
        done = series([(cell, "success") for cell in peaks], keys)
        late = series([(cell, "p999") for cell in peaks], keys)
        success = plot.bars("peak: done within 1 s, %", rates, done, logarithmic=False)
        yield "peak", plot.page(success, plot.bars("peak: p99.9 in ms from when it was due", rates, late))


def said(*argv):
    """The first line of what a program says; empty if it cannot."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip().split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine(directory):
    cpus = pathlib.Path("/proc/cpuinfo").read_text()
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*: (.*)", cpus)
    device, _, kind = said("findmnt", "-rno", "SOURCE,FSTYPE", "-T", directory).rpartition(" ")
    disk = said("lsblk", "-dno", "MODEL,SIZE", device)
    return {
        "CPU": f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} logical",
        "host": said("systemd-detect-virt", "--vm") or "not known",
        "memory": f"{int(memory.group(1)) / 2**20:.1f} GiB",
        "kernel": platform.release(),
        "file system": f"{kind} on {device}",
        "disk": disk or "not known",
    }


def versions(server):
    root = pathlib.Path(__file__).parent
    commit = said("git", "-C", root, "rev-parse", "--short", "HEAD")
    changed = said("git", "-C", root, "status", "--porcelain", "--untracked-files=no")
    return {
        "creditd": f"{said(server, '--version')}, commit {commit}{' and changes' if changed else ''}",
        "Redis": said("redis-server", "--version"),
        "PostgreSQL": said(binaries() / "postgres", "--version") if binaries() else "",
        "rustc": said("rustc", "--version"),
    }


def without_directories(word):
    """A path without its directories, which are nobody's business."""
    return os.path.basename(word) if word.startswith("/") else word


class Report:
    def __init__(self, options, runner, commands):
        self.runner, self.commands = runner, commands
        now = datetime.datetime.now(datetime.timezone.utc)
        command = " ".join(["bench-scripts/compare", *map(without_directories, sys.argv[1:])])
        self.facts = {"date": f"{now:%d %B %Y %H:%M} UTC", **machine(options.dir), **versions(options.server)}
        self.facts["command"] = command

    def markdown(self, images):
        parts = [table(["", ""], [[name, value] for name, value in self.facts.items()]), "### Figures to reach"]
        plotted = [f"![{name}](benchmarks/{name}.svg)" for name in images]
        parts += [summary(self.runner), *(["### Plots", *plotted] if plotted else [])]
        servers = [f"# {TITLES[key]}\n{command}" for key, command in self.commands.items()]
        parts += ["### Servers", "```\n" + "\n".join(servers) + "\n```"]
        parts += ["### Everything measured", *details(self.runner)]
        return "\n\n".join(parts)

    def write(self, docs):
        """Into docs/benchmarks.md and docs/benchmarks/; what stands outside of the marks stays."""
        path, beside = docs / "benchmarks.md", docs / "benchmarks"
        before, begin, rest = path.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            sys.exit(f"{path}: no `{BEGIN}` and `{END}` to write between; results stay in {self.keep(beside)}")
        beside.mkdir(exist_ok=True)
        images = dict(plots(self.runner))
        for name, svg in images.items():
            (beside / f"{name}.svg").write_text(svg)
        self.keep(beside)
        path.write_text(f"{before}{BEGIN}\n\n{self.markdown(images)}\n\n{END}{after}")
        print(f"written: {path}, {len(images)} plots and results.json in {beside}")

    def keep(self, directory):
        directory.mkdir(exist_ok=True)
        path = directory / "results.json"
        cells = ",\n".join(f"{json.dumps(cell)}:{json.dumps(kept)}" for cell, kept in self.runner.cells.items())
        path.write_text(
            f'{{"facts":{json.dumps(self.facts)},\n"servers":{json.dumps(self.commands)},\n"cells":{{\n{cells}}}}}\n'
        )
        return path
