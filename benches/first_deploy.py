"""Measures first deployments against containers made by hand; benches/first_deploy.sh prepares and cleans up."""

import argparse
import http.client
import ipaddress
import json
import queue
import socket
import statistics
import sys
import threading
import time
import urllib.parse

PATIENCE = 60.0  # seconds after which a round has failed: more than a hundred times what it should take


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=PATIENCE):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(path, method, target, body=None):
    """One request over a unix socket; its JSON answer. Anything but a 2xx ends the bench."""
    connection = UnixConnection(path)
    text = None if body is None else json.dumps(body)
    connection.request(method, target, text, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status // 100 != 2:
        sys.exit(f"{method} {target} answered {response.status}: {answer.decode(errors='replace')}")
    return json.loads(answer) if answer else None


class Starts:
    """The engine's own word on which container started: the same witness for both ways, and no polling before that."""

    def __init__(self, engine):
        filters = urllib.parse.quote(json.dumps({"type": ["container"], "event": ["start"]}))
        connection = UnixConnection(engine, timeout=None)
        connection.request("GET", f"/events?filters={filters}")
        self.stream = connection.getresponse()
        self.seen = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.stream:
            self.seen.put(json.loads(line)["Actor"])

    def next_with(self, label, value):
        """The id of the next container that starts with this label."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                actor = self.seen.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                sys.exit(f"no container labelled {label}={value} started within {PATIENCE:.0f} s")
            if actor["Attributes"].get(label) == value:
                return actor["ID"]


def await_answer(address):
    """Returns when the container answers 200."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection(address, 8080, timeout=0.2)
            connection.request("GET", "/passwd")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.001)
    sys.exit(f"the container at {address} gave no answer within {PATIENCE:.0f} s")


class Bench:
    def __init__(self, options):
        self.options = options
        self.engine = urllib.parse.urlparse(options.engine).path
        self.subnets = ipaddress.ip_network(options.pool).subnets(new_prefix=26)
        with open(options.instance, encoding="ascii") as file:
            self.instance = file.read().strip()
        self.starts = Starts(self.engine)

    def serving(self, label, value):
        """Waits until the container that now starts serves."""
        container = self.starts.next_with(label, value)
        found = call(self.engine, "GET", f"/containers/{container}/json")
        addresses = [network["IPAddress"] for network in found["NetworkSettings"]["Networks"].values()]
        await_answer(next(address for address in addresses if address))

    def longshore(self, number):
        """Seconds from the request to the first answer, and to the word `success`."""
        before = time.monotonic()
        made = call(self.options.socket, "POST", "/v1/deployments", {"project_id": f"bench-{number}", "from_config": True})
        self.serving("dev.longshore.instance", self.instance)
        answered = time.monotonic() - before
        while True:
            deployment = call(self.options.socket, "GET", f"/v1/deployments/{made['id']}")
            if deployment["status"] == "success":
                return answered, time.monotonic() - before
            if deployment["status"] in ("failed", "cancelled"):
                sys.exit(f"the deployment ended as {deployment['status']}: {deployment.get('error')}")
            if time.monotonic() - before > PATIENCE:
                sys.exit(f"the deployment is {deployment['status']} after {PATIENCE:.0f} s")
            time.sleep(0.002)

    def by_hand(self, number):
        """Seconds from the first call to the first answer: a network of its own, a container, a start."""
        name = f"longshore-bench-{self.options.run}-{number}"
        labels = {"longshore.bench": self.options.run}
        subnet = next(self.subnets)
        before = time.monotonic()
        call(self.engine, "POST", "/networks/create", {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": labels,
            "IPAM": {"Config": [{"Subnet": str(subnet)}]},
        })
        made = call(self.engine, "POST", f"/containers/create?name={name}", {
            "Image": self.options.image,
            "Cmd": ["httpd", "-f", "-p", "8080", "-h", "/etc"],
            "Labels": labels,
            "HostConfig": {"NetworkMode": name},
        })
        call(self.engine, "POST", f"/containers/{made['Id']}/start")
        self.serving("longshore.bench", self.options.run)
        return time.monotonic() - before


def line(name, seconds):
    figures = (statistics.median(seconds), min(seconds), max(seconds))
    print(f"{name:<34}" + "".join(f"{figure * 1000:>9.0f} ms" for figure in figures))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("engine", "socket", "instance", "image", "run", "pool"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    if not options.engine.startswith("unix://"):
        sys.exit(f"this bench reaches the engine through a unix socket, not {options.engine}")

    bench = Bench(options)
    answered, succeeded, by_hand = [], [], []
    for number in range(options.rounds + 1):
        if number % 2:
            ours, hand = bench.longshore(number), bench.by_hand(number)
        else:
            hand, ours = bench.by_hand(number), bench.longshore(number)
        if number == 0:
            continue  # the warm-up
        answered.append(ours[0])
        succeeded.append(ours[1])
        by_hand.append(hand)
        print(f"round {number}: longshore {ours[0] * 1000:.0f} ms, by hand {hand * 1000:.0f} ms", flush=True)

    print(f"\nfirst deployment of an image, {options.rounds} rounds   median, fastest, slowest")
    line("longshore, request to first 200", answered)
    line("by hand, network to first 200", by_hand)
    line("longshore, request to \"success\"", succeeded)
    ratio = statistics.median(answered) / statistics.median(by_hand)
    print(f"ratio of the first two: {ratio:.2f} (aim: at most 1.10)")


if __name__ == "__main__":
    main()
