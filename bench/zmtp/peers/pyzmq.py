# pyzmq, libzmq's binding for Python: blocking sockets, the fastest form that it has. The same conversation as child.ts (types.ts).
import json
import os
import queue
import sys
import threading
import time

import zmq

setup = json.loads(sys.argv[1])
role, size, endpoint = setup["role"], setup["bytes"], setup.get("endpoint")
body = b"x" * size
# Large frames are received and sent where they lie, small ones copied, which costs less.
copy = size < 65536
socket_types = {
    "echo-server": zmq.ROUTER,
    "echo-client": zmq.DEALER,
    "pub": zmq.PUB,
    "sub": zmq.SUB,
    "push": zmq.PUSH,
    "pull": zmq.PULL,
}
socket = zmq.Context().socket(socket_types[role])
commands = queue.Queue()
received = 0
sending = threading.Event()
sent = 0
stopped = threading.Event()


def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def read_commands():
    for line in sys.stdin:
        command = json.loads(line)
        if role == "echo-client":
            commands.put(command)
        else:
            say(answer(command))
    # The benchmark is gone, however it ended.
    os._exit(0)


def count(messages, since):
    return {"messages": messages, "elapsedMs": (time.perf_counter() - since) * 1000}


def answer(command):
    op = command["op"]
    start = time.perf_counter()
    if op == "window":
        time.sleep(command["warmupMs"] / 1000)
        start, before = time.perf_counter(), received
        time.sleep(command["measureMs"] / 1000)
        return count(received - before, start)
    if op == "await":
        last = -1
        while received < command["messages"] and received != last:
            last = received
            for _ in range(50):
                time.sleep(0.01)
                if received != last:
                    break
        return count(received, start)
    if op == "start":
        stopped.clear()
        sending.set()
        return count(0, start)
    if op == "stop":
        sending.clear()
        stopped.wait()
        return count(sent, start)
    raise ValueError(f"a {role} does not know {op}")


def echo(outstanding, warmup, measure):
    """Keeps so many requests outstanding; counts those of the time after the warm-up."""
    now = time.perf_counter
    recv, send = socket.recv, socket.send
    for _ in range(outstanding):
        send(body, copy=copy)
    begin, before = now() + warmup, 0
    while now() < begin:
        recv(copy=copy)
        send(body, copy=copy)
        before += 1
    start = now()
    end, messages = start + measure, 0
    while now() < end:
        recv(copy=copy)
        send(body, copy=copy)
        messages += 1
    result = count(messages, start)
    for _ in range(outstanding):
        reply = recv()
        if len(reply) != size:
            raise ValueError(f"expected a body of {size} bytes, got {len(reply)}")
    result["total"] = before + messages + outstanding
    return result


curve = setup.get("curve")
if curve is not None:
    own = curve["server" if role == "echo-server" else "client"]
    socket.curve_publickey, socket.curve_secretkey = own["publicKey"].encode(), own["secretKey"].encode()
    if role == "echo-server":
        socket.curve_server = True
    else:
        socket.curve_serverkey = curve["server"]["publicKey"].encode()
if role.startswith("echo"):
    # A ROUTER drops what goes above its high-water mark.
    socket.sndhwm = socket.rcvhwm = 0
if role == "pub":
    socket.setsockopt(zmq.XPUB_NODROP, 1)
if role == "sub":
    socket.setsockopt(zmq.SUBSCRIBE, b"")
ready = {"ready": True}
if endpoint is None:
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    ready["endpoint"] = f"tcp://127.0.0.1:{port}"
else:
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(endpoint)
    monitor.recv_multipart()
    socket.disable_monitor()
say(ready)
threading.Thread(target=read_commands, daemon=True).start()

if role == "echo-server":
    while True:
        socket.send_multipart(socket.recv_multipart(copy=copy), copy=copy)
elif role == "echo-client":
    while True:
        command = commands.get()
        say(echo(command["outstanding"], command["warmupMs"] / 1000, command["measureMs"] / 1000))
elif role in ("sub", "pull"):
    while True:
        socket.recv(copy=copy)
        received += 1
else:
    while True:
        sending.wait()
        while sending.is_set():
            socket.send(body, copy=copy)
            sent += 1
        stopped.set()
