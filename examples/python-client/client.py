"""A client of the request protocol for one endpoint, with pyzmq: python3 client.py tcp://HOST:PORT METHOD JSON."""
import itertools, json, struct, sys, time, zmq

MAGIC, HELLO, REQUEST, REPLY, ERROR, BYE = b"\xf5WRY", 1, 3, 4, 5, 10

def header(kind, *texts, content=0, mark=0, ident=0, number=0):
    fixed = MAGIC + struct.pack(">BBBBII", 1, kind, content, mark, ident, number)
    return fixed + b"".join(bytes([len(text)]) + text for text in (t.encode() for t in texts))

class Client:
    def __init__(self, endpoint):
        self.socket, self.ids = zmq.Context.instance().socket(zmq.DEALER), itertools.count(1)
        self.socket.connect(endpoint)
        self.socket.send(header(HELLO, "python"))

    def call(self, method, body, timeout=5.0):
        ident, end = next(self.ids), time.monotonic() + timeout
        head = header(REQUEST, method, "", "", content=1, mark=1, ident=ident, number=int(timeout * 1000))
        self.socket.send_multipart([head, json.dumps(body).encode()])
        while self.socket.poll(max(0, int((end - time.monotonic()) * 1000))):
            head, *rest = self.socket.recv_multipart()
            kind, content, fate, got = struct.unpack(">BBBI", head[5:12])
            if got == ident and kind in (REPLY, ERROR):
                value = json.loads(rest[0]) if content == 1 else rest[0] if rest else None
                if kind == REPLY:
                    return value
                code = head[17 : 17 + head[16]].decode()
                raise RuntimeError(f"{code} ({['answered', 'not started', 'maybe executed'][fate]}): {value['message']}")
        raise TimeoutError(f"{method}: no answer within {timeout} s; maybe executed")

    def close(self):
        self.socket.send(header(BYE))
        self.socket.close(linger=1000)

if __name__ == "__main__":
    client = Client(sys.argv[1])
    print(json.dumps(client.call(sys.argv[2], json.loads(sys.argv[3]))))
    client.close()
