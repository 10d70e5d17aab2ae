"""Requests that two servers might read differently, sent to an ingress with an upstream that writes down what arrives.

    smuggling.py CONTROL_SOCKET INGRESS HOST

Tells the ingress at that socket a route from HOST to the upstream, then sends each request raw to INGRESS, an address and a
port. What is to be refused must be answered with 400 (or a status that says more) and a closed connection, and may not arrive
as a request; what may be served must arrive as one, and never as the one that is hidden in it.
"""

import http.client
import json
import socket
import sys
import uuid

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from hpack import NeverIndexedHeaderTuple
from upstream import Upstream

PATIENCE = 8.0  # seconds: shorter than any of the ingress's own time limits is an answer at once

# What is hidden: if the upstream ever reads it as a request, it was smuggled.
HIDDEN = "GET /smuggled-{case} HTTP/1.1\r\nHost: {host}\r\n\r\n"

# No request, not for this host, no such coding, no such version.
REFUSALS = ("400", "421", "501", "505")
REFUSED = "refused"
HARMLESS = "refused, or served as one"

# Name, what must become of it, the request. {case} is the case's own word, {host} the host, {hidden} the hidden request,
# {length} and {hex} its length.
CASES = [
    ("Content-Length before Transfer-Encoding", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding before Content-Length", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}"),
    ("two Content-Lengths that differ", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
    ("a list of Content-Lengths that differ", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0, {length}\r\n\r\n{hidden}"),
    ("two Content-Lengths that agree", HARMLESS,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("a Content-Length with a sign", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nabcde"),
    ("a negative Content-Length", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n{hidden}"),
    ("a hexadecimal Content-Length", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nabcde"),
    ("an empty Content-Length", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: \r\n\r\n{hidden}"),
    ("a Content-Length that no number holds", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18446744073709551617\r\n\r\nabcde"),
    ("Transfer-Encoding: xchunked", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: identity", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: identity\r\n\r\n{hidden}"),
    ("Transfer-Encoding: chunked, identity", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding: gzip, chunked", HARMLESS,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("two Transfer-Encodings, the last not chunked", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding with a vertical tab", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
    ("Transfer-Encoding in quotes", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n{hidden}"),
    ("a space before Transfer-Encoding's colon", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nTransfer-Encoding : chunked\r\n\r\n{hidden}"),
    ("a space before Content-Length's colon", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length : {length}\r\n\r\n{hidden}"),
    ("Transfer-Encoding in HTTP/1.0", REFUSED,
     "POST /{case} HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ("a header that is folded", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nX-Folded: one\r\n two\r\n\r\n"),
    ("Transfer-Encoding that is folded", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ("a first header that begins with a space", REFUSED,
     "GET /{case} HTTP/1.1\r\n Host: {host}\r\nHost: {host}\r\n\r\n"),
    ("a chunk size that is no number", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{hidden}\r\n0\r\n\r\n"),
    ("a chunk size with 0x", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
    ("a chunk size with a sign", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"),
    ("a negative chunk size", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{hidden}\r\n0\r\n\r\n"),
    ("a chunk size that no number holds", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("an empty chunk size", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"),
    ("a chunk that is longer than its size", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n{hidden}"),
    ("a chunk's line that ends with LF alone", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n{hidden}"),
    ("a bare LF in a chunk's extension", REFUSED,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nbc\r\nabc\r\n0\r\n\r\n{hidden}"),
    ("two Hosts that differ", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nHost: other.localhost\r\n\r\n"),
    ("two Hosts that agree", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
    ("no Host", REFUSED,
     "GET /{case} HTTP/1.1\r\nX-Nothing: 1\r\n\r\n"),
    ("a Host with a path", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}/../other\r\n\r\n"),
    ("a Host with a space", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host} other.localhost\r\n\r\n"),
    ("a Host with a user", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: other.localhost@{host}\r\n\r\n"),
    ("an absolute URI with another Host", REFUSED,
     "GET http://other.localhost/{case} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ("a Host with another absolute URI", REFUSED,
     "GET http://{host}/{case} HTTP/1.1\r\nHost: other.localhost\r\n\r\n"),
    ("an absolute URI with its Host", HARMLESS,
     "GET http://{host}/{case} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ("lines that end with LF alone", HARMLESS,
     "GET /{case} HTTP/1.1\nHost: {host}\n\n"),
    ("a hidden header behind a bare CR", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nX-A: b\rTransfer-Encoding: chunked\r\n\r\n"),
    ("a NUL in a header", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nX-A: a\0b\r\n\r\n"),
    ("a header without a name", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\n: a\r\n\r\n"),
    ("a header without a colon", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nX-A\r\n\r\n"),
    ("a header's name with a space in it", REFUSED,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nX A: b\r\n\r\n"),
    ("a path with a space", REFUSED,
     "GET /{case} HTTP/1.1 /x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    ("CONNECT", HARMLESS,
     "CONNECT {host}:80 HTTP/1.1\r\nHost: {host}:80\r\n\r\n"),
    ("HTTP/3.7", REFUSED,
     "GET /{case} HTTP/3.7\r\nHost: {host}\r\n\r\n"),
    ("a GET whose body looks like a request", HARMLESS,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{hidden}"),
    ("an upgrade that is none, and a request behind it", HARMLESS,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {length}\r\n\r\n{hidden}"),
    ("Connection names Content-Length", HARMLESS,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nConnection: content-length\r\nContent-Length: {length}\r\n\r\n{hidden}"),
    ("Connection names Transfer-Encoding", HARMLESS,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n{hex}\r\n{hidden}\r\n0\r\n\r\n"),
    ("Connection names Host", HARMLESS,
     "GET /{case} HTTP/1.1\r\nHost: {host}\r\nConnection: host\r\n\r\n"),
    ("trailers that name what no trailer may", HARMLESS,
     "POST /{case} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: {length}\r\n\r\n"),
]

# The same over HTTP/2, which hides lines where HTTP/1.1 has none: name, headers instead of the usual or besides, body.
H2_CASES = [
    ("h2: Transfer-Encoding", [("transfer-encoding", "chunked")], "0\r\n\r\n{hidden}"),
    ("h2: a Content-Length shorter than the body", [("content-length", "0")], "{hidden}"),
    ("h2: a Content-Length longer than the body", [("content-length", "9000")], "abc"),
    ("h2: two Content-Lengths that differ", [("content-length", "3"), ("content-length", "90")], "abc"),
    ("h2: a line break in a value", [("x-a", "b\r\nTransfer-Encoding: chunked")], "0\r\n\r\n{hidden}"),
    ("h2: a hidden request in a value", [("x-a", "b\r\n\r\n{hidden}")], None),
    ("h2: a line break in a name", [("x-a\r\nx-b", "c")], None),
    ("h2: a colon in a name", [("x-a: b\r\nx-c", "d")], None),
    ("h2: a name with upper-case letters", [("X-Upper", "a")], None),
    ("h2: a line break in the path", [(":path", "/{case} HTTP/1.1\r\nHost: {host}\r\n\r\n{hidden}")], None),
    ("h2: a space in the path", [(":path", "/{case} HTTP/1.1")], None),
    ("h2: a line break in the method", [(":method", "GET /smuggled-{case} HTTP/1.1\r\nHost: {host}\r\n\r\nGET")], None),
    ("h2: Connection", [("connection", "keep-alive")], None),
    ("h2: Host beside another authority", [("host", "other.localhost")], None),
    ("h2: two authorities", [(":authority", "{host}"), (":authority", "other.localhost")], None),
    ("h2: no path", [(":path", "")], None),
    ("h2: a pseudo-header behind the others", [("x-a", "b"), (":method", "POST")], None),
]


class Control(http.client.HTTPConnection):
    """The ingress's control socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def publish(path, host, port):
    control = Control(path)
    table = {
        "instance": str(uuid.uuid4()),
        "generation": 1,
        "routes": [{
            "domain": host,
            "service": {"app": "web", "environment": "production"},
            "target": {"container": f"127.0.0.1:{port}"},
        }],
    }
    control.request("PUT", "/table?takeover=true", json.dumps(table), {"Content-Type": "application/json"})
    answer = control.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        sys.exit(f"the ingress did not take the table: {answer.status} {text}")


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def send_raw(address, data):
    """All that comes back until the connection is closed, and whether it was closed in time."""
    answer = b""
    with connect(address) as connection:
        try:
            connection.sendall(data)
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return answer, True
                answer += piece
                # A served request's connection stays open; one answer is enough to know.
                if b"200 OK" in answer and answer.endswith(b"ok\n"):
                    connection.settimeout(0.3)
        except TimeoutError:
            return answer, False
        except ConnectionError:
            return answer, True


def send_h2(address, headers, body):
    """The status, or "reset": how the ingress ended the stream."""
    config = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
    session = h2.connection.H2Connection(config=config)
    with connect(address) as connection:
        session.initiate_connection()
        # The library checks some of its own headers whatever it is told, so they are encoded here.
        headers = [NeverIndexedHeaderTuple(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        try:
            session.send_headers(1, headers, end_stream=body is None)
            if body is not None:
                session.send_data(1, body, end_stream=True)
        except h2.exceptions.ProtocolError as error:
            sys.exit(f"the library would not send {headers}: {error}")
        connection.sendall(session.data_to_send())
        try:
            while True:
                data = connection.recv(65536)
                if not data:
                    return "closed"
                for event in session.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return dict(event.headers)[b":status"].decode()
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return "reset"
                connection.sendall(session.data_to_send())
        except TimeoutError:
            return "nothing"
        except ConnectionError:
            return "closed"


def status_of(answer):
    words = answer.split(b" ", 2)
    return words[1].decode(errors="replace") if len(words) > 2 else "none"


def main():
    control, address, host = sys.argv[1:]
    upstream = Upstream()
    publish(control, host, upstream.port)

    # First that the way is open at all: else everything below would look well.
    answer, _ = send_raw(address, f"GET /open HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    if status_of(answer) != "200" or len(upstream.requests_with(b"/open")) != 1:
        sys.exit(f"a plain request was not served: {answer!r}")
    for method, body in (("GET", None), ("POST", b"abc")):
        headers = [(":method", method), (":scheme", "http"), (":authority", host), (":path", f"/open-{method}"), ("x-a", "b")]
        came = send_h2(address, headers, body)
        if came != "200" or len(upstream.requests_with(f"/open-{method} ".encode())) != 1:
            sys.exit(f"a plain {method} over HTTP/2 was not served: {came}")

    faults, served = [], 0

    def fill(text, case):
        hidden = HIDDEN.format(case=case, host=host)
        length = len(hidden)
        return text.format(case=case, host=host, hidden=hidden, length=length, hex=f"{length:x}")

    def smuggled(case):
        return upstream.requests_with(f"/smuggled-{case} ".encode())

    for number, (name, wanted, request) in enumerate(CASES):
        case = f"case-{number}-"
        answer, closed = send_raw(address, fill(request, case).encode("latin-1"))
        status = status_of(answer)
        arrived = upstream.requests_with(f"/{case} ".encode())
        if smuggled(case):
            faults.append(f"{name}: SMUGGLED")
        if answer.count(b"HTTP/1.1 200") > 1:
            faults.append(f"{name}: two requests were served")
        if status == "200":
            served += 1
            if wanted == REFUSED:
                faults.append(f"{name}: served, but is to be refused")
            elif len(arrived) != 1 and name != "CONNECT":
                faults.append(f"{name}: {len(arrived)} requests arrived")
        elif wanted == REFUSED and status not in REFUSALS:
            faults.append(f"{name}: status {status}, none of {REFUSALS}")
        if status != "200":
            if not closed:
                faults.append(f"{name}: the connection stayed open after {status}")
            # A body that goes wrong after its head was right may have begun to arrive; it must not be whole.
            if arrived:
                faults.append(f"{name}: answered {status}, and a whole request arrived")
        print(f"  {status:<8} {'closed' if closed else 'open':<8} {name}")

    for number, (name, headers, body) in enumerate(H2_CASES):
        case = f"h2-case-{number}-"
        filled = [(key, fill(value, case)) for key, value in headers]
        given = {key for key, _ in filled}
        usual = [
            (":method", "GET" if body is None else "POST"),
            (":scheme", "http"),
            (":authority", host),
            (":path", f"/{case}"),
        ]
        pseudo = [pair for pair in usual if pair[0] not in given]
        # Pseudo-headers come first, except where the case is that they do not.
        first = [pair for pair in filled if pair[0].startswith(":") and "behind" not in name]
        rest = [pair for pair in filled if pair not in first]
        if "behind" in name:
            pseudo = usual
        data = None if body is None else fill(body, case).encode("latin-1")
        came = send_h2(address, pseudo + first + rest, data)
        if smuggled(case):
            faults.append(f"{name}: SMUGGLED")
        if came == "200":
            # It may be served when it arrived as one plain request.
            arrived = upstream.requests_with(f"/{case} ".encode())
            lines = arrived[0].lower() if arrived else b""
            if len(arrived) != 1 or b"\r\ntransfer-encoding: chunked\r\n" in lines and body is None:
                faults.append(f"{name}: served, and arrived as {arrived!r}")
            if name not in ("h2: Connection",):
                faults.append(f"{name}: served, but is to be refused")
        elif came not in (*REFUSALS, "reset", "closed"):
            faults.append(f"{name}: {came}")
        print(f"  {came:<17} {name}")

    if upstream.bytes_with(b"GET /smuggled") and not served:
        faults.append("hidden requests arrived although nothing was served")
    # After all of that the ingress must still serve.
    answer, _ = send_raw(address, f"GET /after HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    if status_of(answer) != "200":
        faults.append(f"afterwards a plain request got {answer!r}")
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{len(CASES) + len(H2_CASES)} requests, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
