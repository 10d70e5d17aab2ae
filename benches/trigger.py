"""Measures how long a new version takes to serve; benches/trigger.sh prepares and cleans up."""

import argparse
import http.client
import ipaddress
import json
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.parse

from first_deploy import PATIENCE, Starts, call

LOOK = 0.001  # seconds between two looks at who answers


class Watcher:
    """Asks the ingress who answers, on one kept connection."""

    def __init__(self, address, host):
        self.address, self.host, self.connection = address, host, None

    def version(self):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address, timeout=2)
            self.connection.request("GET", "/small", headers={"Host": self.host})
            answer = self.connection.getresponse()
            answer.read()
            return answer.headers.get("x-version")
        except (OSError, http.client.HTTPException):
            self.connection = None
            return None

    def until(self, version):
        deadline = time.monotonic() + PATIENCE
        while self.version() != version:
            if time.monotonic() > deadline:
                sys.exit(f"version {version} did not serve within {PATIENCE:.0f} s")
            time.sleep(LOOK)
        return time.monotonic()


def ended(socket, deployment):
    """Waits until the deployment has succeeded."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = call(socket, "GET", f"/v1/deployments/{deployment}")
        if found["status"] == "success":
            return time.monotonic()
        if found["status"] in ("failed", "cancelled") or time.monotonic() > deadline:
            sys.exit(f"the deployment is {found['status']}: {found.get('error')}")
        time.sleep(0.002)


class Serving:
    def __init__(self, options):
        self.options = options
        self.engine = urllib.parse.urlparse(options.engine).path
        self.watcher = Watcher(options.ingress, options.host)
        # Until a container has started nobody is asked anything: that would take time from what is measured.
        self.starts = Starts(self.engine)
        self.instance = pathlib.Path(options.instance).read_text(encoding="ascii").strip()
        live = next(found for found in self.containers() if found["State"] == "running")
        self.network = next(iter(live["NetworkSettings"]["Networks"]))

    def containers(self):
        filters = urllib.parse.quote(json.dumps({"label": [f"dev.longshore.instance={self.instance}"]}))
        return call(self.engine, "GET", f"/containers/json?all=true&filters={filters}")

    def settled(self):
        """Waits until only one container of the app is left."""
        deadline = time.monotonic() + PATIENCE
        while len(self.containers()) != 1:
            if time.monotonic() > deadline:
                sys.exit("the container before it is still there")
            time.sleep(0.01)

    def longshore(self, number):
        """Seconds to the first answer, and to the word `success`."""
        before = time.monotonic()
        made = call(self.options.socket, "POST", "/v1/deployments", {"project_id": "web", "image": self.options.images[number % 2]})
        self.starts.next_with("dev.longshore.instance", self.instance)
        answered = self.watcher.until(f"v{number % 2 + 1}") - before
        succeeded = ended(self.options.socket, made["id"]) - before
        self.settled()
        return answered, succeeded

    def by_hand(self, number):
        """Seconds from the first call to the first answer of a container in the same network."""
        name = f"longshore-bench-{self.options.run}-{number}"
        before = time.monotonic()
        made = call(self.engine, "POST", f"/containers/create?name={name}", {
            "Image": self.options.images[number % 2],
            "Labels": {"longshore.bench": self.options.run},
            "HostConfig": {"NetworkMode": self.network},
        })
        call(self.engine, "POST", f"/containers/{made['Id']}/start")
        self.starts.next_with("longshore.bench", self.options.run)
        found = call(self.engine, "GET", f"/containers/{made['Id']}/json")
        address = ipaddress.ip_address(found["NetworkSettings"]["Networks"][self.network]["IPAddress"])
        answered = Watcher(f"{address}:8080", "web").until(f"v{number % 2 + 1}") - before
        call(self.engine, "DELETE", f"/containers/{made['Id']}?force=true")
        return answered


def line(name, seconds):
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    print(f"{name:<44}" + "".join(f"{figure * 1000:>9.0f} ms" for figure in figures))


def serving(options):
    bench = Serving(options)
    answered, succeeded, by_hand = [], [], []
    # v1 serves: the first change is to v2, whose number is odd. The first pair warms up and is not counted.
    for number in range(1, options.rounds + 2):
        if number % 2:
            ours, hand = bench.longshore(number), bench.by_hand(number)
        else:
            hand, ours = bench.by_hand(number), bench.longshore(number)
        if number > 1:
            answered.append(ours[0])
            succeeded.append(ours[1])
            by_hand.append(hand)
    print(f"\na new version of an image that is here, {options.rounds} rounds     median, fastest, slowest")
    line("longshore, request to answer through ingress", answered)
    line("by hand, create to answer", by_hand)
    line("longshore, request to \"success\"", succeeded)
    pairs = statistics.median(ours / hand for ours, hand in zip(answered, by_hand, strict=True))
    ratio = statistics.median(answered) / statistics.median(by_hand)
    print(f"ratio of the first two medians: {ratio:.2f}, median of the pairs' ratios: {pairs:.2f} (aim: at most 1.10)")


def change(options):
    watcher = Watcher(options.ingress, options.host)
    before = time.monotonic()
    with subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        answered = watcher.until(options.version) - before
        _, said = process.communicate(timeout=PATIENCE)
    returned = time.monotonic() - before
    if process.returncode != 0:
        sys.exit(f"{options.command} ended with {process.returncode}: {said.decode(errors='replace')}")
    with open(options.times, "a", encoding="ascii") as file:
        print(answered, returned, file=file)


def told(options):
    results = pathlib.Path(options.results)
    print(f"\n{'under load':<14}{'changes':>8}{'to new answer':>16}{'command':>10}{'sent':>8}{'failed':>8}{'longest gap':>14}{'p99':>10}")
    for name in options.names:
        times = [tuple(map(float, row.split())) for row in (results / f"{name}.times").read_text(encoding="ascii").splitlines()]
        report = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        answered, returned = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"{name:<14}{len(times):>8}{answered * 1000:>13.0f} ms{returned * 1000:>7.0f} ms{report['sent']:>8}{report['failed']:>8}"
            f"{report['longest_gap_ms']:>11.0f} ms{report['p99_ms']:>7.1f} ms"
        )
        for what, failures in report["failures"].items():
            print(f"    {failures['count']} × {what}: {failures['first'][0]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("serving")
    for option in ("engine", "socket", "instance", "ingress", "host", "run"):
        part.add_argument(f"--{option}", required=True)
    part.add_argument("--images", nargs=2, required=True)
    part.add_argument("--rounds", type=int, required=True)
    part.set_defaults(run_part=serving)
    part = parts.add_parser("change")
    for option in ("ingress", "host", "version", "times"):
        part.add_argument(f"--{option}", required=True)
    part.add_argument("command", nargs="+")
    part.set_defaults(run_part=change)
    part = parts.add_parser("told")
    part.add_argument("--results", required=True)
    part.add_argument("names", nargs="+")
    part.set_defaults(run_part=told)
    options = parser.parse_args()
    options.run_part(options)


main()
