"""Measures an idle daemon; benches/footprint.sh prepares and cleans up."""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time

PATIENCE = 30.0  # seconds a start or a stop may take before it has failed
SETTLE = 5.0  # seconds after which a daemon that was just started counts as idle


def answers(path):
    """Whether the daemon answers a request, not only whether its socket is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(path)
        except OSError:
            return False
        connection.sendall(b"GET /v1/apps HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(64).split()[1:2] == [b"200"]


def start(options):
    """A daemon that answers, and the seconds from exec to its first answer."""
    log = open(os.path.join(options.directory, "daemon.log"), "ab")
    before = time.monotonic()
    daemon = subprocess.Popen(
        [options.binary, "serve", "--config", os.path.join(options.directory, "config.toml")],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
    )
    log.close()
    # Where the script looks for a daemon to stop, if this program is interrupted.
    with open(os.path.join(options.directory, "daemon.pid"), "w", encoding="ascii") as file:
        file.write(f"{daemon.pid}\n")
    while not answers(options.socket):
        if daemon.poll() is not None or time.monotonic() - before > PATIENCE:
            with open(os.path.join(options.directory, "daemon.log"), errors="replace") as log:
                sys.exit("the daemon did not get ready; its log:\n" + log.read()[-3000:])
        time.sleep(0.0005)
    return daemon, time.monotonic() - before


def stop(daemon):
    """Seconds from SIGTERM to the end."""
    before = time.monotonic()
    daemon.terminate()
    status = daemon.wait(timeout=PATIENCE)
    if status != 0:
        print(f"the daemon ended with status {status} when asked to stop", file=sys.stderr)
    return time.monotonic() - before


def memory(pid):
    """The kernel's figures in kB, by name."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {name: int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon", "VmHWM", "Threads")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("binary", "directory", "socket"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--starts", type=int, required=True)
    options = parser.parse_args()

    # The first start also makes the database and is told apart.
    daemon, first = start(options)
    stop(daemon)
    starts, stops = [], []
    for number in range(options.starts):
        daemon, ready = start(options)
        starts.append(ready)
        if number == options.starts - 1:
            time.sleep(SETTLE)
            idle = memory(daemon.pid)
        stops.append(stop(daemon))

    print()
    print(f"size of the program      {os.path.getsize(options.binary) / 1e6:8.1f} MB")
    print(f"idle memory, VmRSS       {idle['VmRSS'] / 1024:8.1f} MiB   (RssAnon {idle['RssAnon'] / 1024:.1f} MiB, "
          f"peak {idle['VmHWM'] / 1024:.1f} MiB, {idle['Threads']} threads)")
    print(f"start to first answer    {statistics.median(starts) * 1000:8.1f} ms    (median of {options.starts}, "
          f"{min(starts) * 1000:.1f} to {max(starts) * 1000:.1f}; with a new database {first * 1000:.1f})")
    print(f"stop                     {statistics.median(stops) * 1000:8.1f} ms    (median of {options.starts})")


main()
