"""Holds listening sockets as systemd does, and runs a program that takes them over.

    held.py STARTS SOCKET… -- PROGRAM…      each SOCKET an ADDRESS:PORT or a path

At SIGHUP the program is asked to stop and started again when it has, as `systemctl restart` does: what connects meanwhile
waits in the sockets. At SIGTERM it is asked to stop and nothing comes after it. Each program's process id is a line of
the file STARTS.
"""

import os
import signal
import socket
import subprocess
import sys

FIRST = 3  # where systemd's protocol begins
SIGNALS = {signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD}


def bind(where):
    if where.startswith("/"):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(where)
    else:
        host, port = where.rsplit(":", 1)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    listener.listen(4096)
    return listener


def start(starts, listeners, program):
    # The shell's process becomes the program, so that it can know its own id beforehand.
    environment = dict(os.environ, LISTEN_FDS=str(len(listeners)))
    script = 'LISTEN_PID=$$ exec "$@"'
    process = subprocess.Popen(["sh", "-c", script, "sh", *program], env=environment, stdin=subprocess.DEVNULL,
                               pass_fds=range(FIRST, FIRST + len(listeners)),
                               preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS))
    with open(starts, "a", encoding="ascii") as file:
        print(process.pid, file=file)
    return process


def main():
    split = sys.argv.index("--")
    starts, wanted, program = sys.argv[1], sys.argv[2:split], sys.argv[split + 1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    # Far from the numbers they are to get, so that none is overwritten.
    listeners = []
    for where in wanted:
        listener = bind(where)
        listeners.append(os.dup2(listener.fileno(), 50 + len(listeners), inheritable=False))
    for place, listener in enumerate(listeners):
        os.dup2(listener, FIRST + place)
    process = start(starts, listeners, program)
    while True:
        came = signal.sigwait(SIGNALS)
        if came == signal.SIGCHLD:
            if process.poll() is not None:
                sys.exit(f"{program[0]} ended by itself with {process.returncode}")
            continue
        process.terminate()
        process.wait()
        if came == signal.SIGTERM:
            return
        process = start(starts, listeners, program)


main()
