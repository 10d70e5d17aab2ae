"""Measures the ingress beside nginx; benches/proxy.sh prepares and cleans up."""

import argparse
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

HOST = "bench.localhost"
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class Proxy:
    """One of the two: where it listens and whose its processes are."""

    def __init__(self, name, address, pid):
        self.name, self.address, self.pid = name, address, pid

    def memory(self):
        """Proportional set size of the process and its children, in MiB: shared pages count once."""
        pids = [self.pid]
        pids += map(int, pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split())
        total = 0
        for pid in pids:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE).group(1))
        return total / 1024


def wrk(proxy, path, connections, seconds, kept):
    """Requests a second, p99 in milliseconds."""
    command = ["wrk", "--threads", str(min(2, connections)), "--connections", str(connections), "--duration", f"{seconds}s",
               "--latency", "--timeout", "10s", "--header", f"Host: {HOST}"]
    if not kept:
        command += ["--header", "Connection: close"]
    said = subprocess.run([*command, f"http://{proxy.address}{path}"], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or re.search(r"Socket errors: .*(connect|timeout) [1-9]", said):
        sys.exit(f"{proxy.name} did not answer all: {said}")
    errors = re.search(r"Socket errors: .*read (\d+), write (\d+)", said)
    # wrk counts a connection that ends as announced as no error; anything else is one.
    if errors and kept and (errors.group(1) != "0" or errors.group(2) != "0"):
        sys.exit(f"{proxy.name} broke connections: {said}")
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", said).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)), float(number) * UNITS[unit]


def h2load(proxy, path, connections, seconds, scratch):
    """The same over HTTP/2 with prior knowledge, ten streams a connection."""
    log = pathlib.Path(scratch) / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "--duration", str(seconds), "--clients", str(connections), "--max-concurrent-streams", "10", "--threads", "2",
               "--log-file", str(log), "--connect-to", proxy.address, f"http://{HOST}{path}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", said)
    if not found or found.group(2) != "0" or found.group(3) != "0" or found.group(1) == "0":
        sys.exit(f"{proxy.name} did not answer all over HTTP/2: {said}")
    times = sorted(int(row.split()[2]) for row in log.read_text(encoding="ascii").splitlines())
    return float(re.search(r"([\d.]+) req/s", said).group(1)), times[len(times) * 99 // 100] / 1000


def compare(name, proxies, rounds, measure):
    """Each round asks both, in turn first one and then the other first."""
    found = {proxy.name: [] for proxy in proxies}
    for proxy in proxies:
        measure(proxy)  # warms up, and is not counted
    for number in range(rounds):
        for proxy in proxies if number % 2 else proxies[::-1]:
            found[proxy.name].append(measure(proxy))
    row = f"{name:<34}"
    medians = []
    for proxy in proxies:
        rate, p99 = (statistics.median(column) for column in zip(*found[proxy.name], strict=True))
        medians.append(rate)
        row += f"{rate:>12.0f}{p99:>10.2f} ms"
    ratio = f"{medians[0] / medians[1]:>9.2f}" if len(medians) > 1 else ""
    print(row + ratio, flush=True)


def perf(proxy, scratch, seconds):
    """Where the ingress spends its time under small answers."""
    if not shutil.which("perf"):
        print("perf is not here")
        return
    load = threading.Thread(target=wrk, args=(proxy, "/small", 32, seconds + 2, True))
    load.start()
    time.sleep(1)
    data = f"{scratch}/perf.data"
    subprocess.run(["perf", "record", "--freq", "999", "--output", data, "--pid", str(proxy.pid), "--", "sleep", str(seconds)],
                   check=True, capture_output=True)
    load.join()
    for keys in ("dso", "symbol"):
        said = subprocess.run(["perf", "report", "--input", data, "--stdio", "--sort", keys, "--percent-limit", "0.7"],
                              check=True, capture_output=True, text=True).stdout
        rows = [row for row in said.splitlines() if row.strip() and not row.startswith("#")]
        print(f"\nperf by {keys}:")
        print("\n".join(rows[:40]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("ours", "theirs", "connections", "scratch"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("ours-pid", "theirs-pid", "rounds", "seconds"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--perf", action="store_true")
    options = parser.parse_args()
    ours = Proxy("longshore", options.ours, options.ours_pid)
    theirs = Proxy("nginx", options.theirs, options.theirs_pid)
    both = [ours, theirs]
    counts = [int(word) for word in options.connections.split()]
    seconds, rounds = options.seconds, options.rounds

    idle = [proxy.memory() for proxy in both]
    print(f"requests a second and p99, medians of {rounds} rounds of {seconds} s in turn")
    print(f"{'':<34}{'longshore':>12}{'p99':>13}{'nginx':>12}{'p99':>13}{'ratio':>9}")
    for count in counts:
        compare(f"120 bytes, {count} connections", both, rounds, lambda proxy, count=count: wrk(proxy, "/small", count, seconds, True))
    for count in counts:
        compare(f"1 MiB, {count} connections", both, rounds, lambda proxy, count=count: wrk(proxy, "/large", count, seconds, True))
    compare("120 bytes, a connection each, 32", both, rounds, lambda proxy: wrk(proxy, "/small", 32, seconds, False))
    compare("120 bytes, HTTP/2, 32 × 10", [ours], rounds, lambda proxy: h2load(proxy, "/small", 32, seconds, options.scratch))

    print(f"\nmemory{'idle':>28}{'under load':>16}")
    for proxy, before in zip(both, idle, strict=True):
        load = threading.Thread(target=wrk, args=(proxy, "/small", max(counts), 3, True))
        load.start()
        time.sleep(2)
        print(f"{proxy.name:<12}{before:>18.1f} MiB{proxy.memory():>12.1f} MiB")
        load.join()
    if options.perf:
        perf(ours, options.scratch, seconds)


main()
