"""A web server that writes down every byte it gets, and reads requests as strictly as they can be read."""

import socket
import threading


class Upstream:
    """Listens on a port of 127.0.0.1; answers each whole request with 200, and closes at the first byte that is none."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.connections = []
        self.requests = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        seen = bytearray()
        with self.lock:
            self.connections.append(seen)
        pending = b""
        with connection:
            while True:
                try:
                    piece = connection.recv(65536)
                except OSError:
                    return
                if not piece:
                    return
                with self.lock:
                    seen.extend(piece)
                pending += piece
                while True:
                    whole = whole_request(pending)
                    if whole is None:
                        break
                    head, pending = pending[:whole[0]], pending[whole[1]:]
                    with self.lock:
                        self.requests.append(head)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")

    def bytes_with(self, text):
        """How many connections carried this."""
        with self.lock:
            return sum(text in seen for seen in self.connections)

    def requests_with(self, text):
        """The heads of the requests whose first line holds this."""
        with self.lock:
            return [head for head in self.requests if text in head.split(b"\r\n", 1)[0]]


def whole_request(data):
    """(end of the head, end of the body) of the request that data begins with, None while it is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower().split(b"\r\n")
    fields = [line.split(b":", 1) for line in head[1:] if b":" in line]
    values = {name.strip(): value.strip() for name, value in fields}
    body = end + 4
    if values.get(b"transfer-encoding") == b"chunked":
        while True:
            line = data.find(b"\r\n", body)
            if line < 0:
                return None
            size = int(data[body:line].split(b";")[0], 16)
            body = line + 2 + size + 2
            if len(data) < body:
                return None
            if size == 0:
                return end + 4, body
    body += int(values.get(b"content-length", b"0"))
    return (end + 4, body) if len(data) >= body else None
