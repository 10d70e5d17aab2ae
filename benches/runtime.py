"""Watches a process that takes in a flood of lines, and counts them; benches/runtime.sh begins both."""

import argparse
import glob
import os
import re
import sys
import time

LINE = re.compile(rb"line (\d+) of")
PATIENCE = 300.0  # seconds without a new line after which a flood that did not end has failed


def memory(pid):
    """The resident memory in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def processor(pid):
    """The processor's time in seconds, in the program and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def engine():
    """The engine's process, if it can be seen."""
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() == "dockerd":
                    return int(path.split("/")[2])
        except OSError:
            pass
    return None


def files(options):
    if options.file:
        return [options.file]
    return sorted(glob.glob(os.path.join(options.directory, "*", "*.log")))


def size(options):
    return sum(os.path.getsize(path) for path in files(options))


def ended(options):
    """Whether the flood's last line is there."""
    paths = files(options)
    if not paths:
        return False
    with open(paths[-1], "rb") as file:
        file.seek(max(0, os.path.getsize(paths[-1]) - 400))
        return b"that was all" in file.read()


def count(options):
    """How many different lines are there, and how many are there again."""
    seen = bytearray(options.lines + 1)
    kept = doubled = disordered = last = 0
    for path in files(options):
        with open(path, "rb") as file:
            for line in file:
                found = LINE.search(line)
                if not found:
                    continue
                number = int(found[1])
                disordered += number < last
                last = number
                if seen[number]:
                    doubled += 1
                else:
                    seen[number] = 1
                    kept += 1
    return kept, doubled, disordered


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--file")
    parser.add_argument("--directory")
    parser.add_argument("--lines", type=int, required=True)
    options = parser.parse_args()

    docker = engine()
    before, user, kernel = memory(options.pid), *processor(options.pid)
    engines = sum(processor(docker)) if docker else 0.0
    begin = last_growth = time.monotonic()
    peak, bytes_before = before, 0
    while not ended(options):
        time.sleep(0.25)
        peak = max(peak, memory(options.pid))
        if size(options) > bytes_before:
            bytes_before, last_growth = size(options), time.monotonic()
        if time.monotonic() - last_growth > PATIENCE:
            sys.exit(f"{options.name}: no more lines came")
    took = time.monotonic() - begin
    user, kernel = (after - earlier for after, earlier in zip(processor(options.pid), (user, kernel)))
    engines = (sum(processor(docker)) if docker else 0.0) - engines
    time.sleep(5)
    after = memory(options.pid)
    kept, doubled, disordered = count(options)
    print(f"{options.name:15} {kept:9} lines kept, {options.lines - kept} lost, {doubled} doubled, {disordered} out of order, "
          f"in {took:.0f} s, {size(options) / 1e6:.0f} MB")
    print(f"{'':15} memory {before:.1f} MiB before, {peak:.1f} at most, {after:.1f} after; "
          f"processor {user + kernel:.1f} s ({kernel:.1f} in the kernel), the engine's {engines:.1f} s")
    if doubled and options.directory:
        sys.exit("a line is there twice")


main()
