"""A real gRPC client (Debian's python3-grpcio) for the health protocol, and a real server. The two messages are written by
hand here, so that a mistake of ours in them cannot hide behind a shared helper."""
import concurrent.futures
import queue
import threading

import grpc

NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
PREFIX = "/grpc.health.v1.Health/"


def encode_request(service):
    data = service.encode()
    assert len(data) < 128
    return bytes([0x0A, len(data)]) + data if data else b""


def decode_reply(data):
    assert data[:1] in (b"", b"\x08"), data
    return NAMES[data[1] if data else 0]


def decode_list(data):
    out, at = {}, 0
    while at < len(data):
        assert data[at] == 0x0A
        entry = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
        n = entry[1]
        assert entry[0] == 0x0A and entry[2 + n] == 0x12
        out[entry[2:2 + n].decode()] = decode_reply(entry[4 + n:])
    return out


class Client:
    def __init__(self, target, credentials=None, options=()):
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = (grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options))
        self.check_call = self.channel.unary_unary(PREFIX + "Check", encode_request, decode_reply)
        self.watch_call = self.channel.unary_stream(PREFIX + "Watch", encode_request, decode_reply)
        self.list_call = self.channel.unary_unary(PREFIX + "List", lambda _: b"", decode_list)

    def check(self, service="", timeout=10):
        return self.check_call(service, timeout=timeout)

    def code(self, service="", timeout=10):
        try:
            return self.check(service, timeout)
        except grpc.RpcError as e:
            return e.code().name

    def list(self):
        return self.list_call("", timeout=10)

    def watch(self, service=""):
        return Watch(self.watch_call(service))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.channel.close()


class Watch:
    """What a Watch call says, in the order it comes; its end is the status code's name."""

    def __init__(self, call):
        self.call, self.said = call, queue.Queue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            for serving in self.call:
                self.said.put(serving)
            self.said.put("OK")
        except grpc.RpcError as e:
            self.said.put(e.code().name)

    def next(self, timeout=20):
        return self.said.get(timeout=timeout)

    def cancel(self):
        self.call.cancel()


class Health(grpc.GenericRpcHandler):
    """A real server of the health protocol. state: service -> name of a serving status, or of a status code to fail with."""

    def __init__(self, state, credentials=None, delay=None):
        self.state, self.seen, self.delay = state, [], delay
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[self])
        self.port = (self.server.add_secure_port("127.0.0.1:0", credentials) if credentials
                     else self.server.add_insecure_port("127.0.0.1:0"))

    def service(self, details):
        if details.method == PREFIX + "Check":
            return grpc.unary_unary_rpc_method_handler(self.check)
        return None

    def check(self, request, context):
        service = request[2:].decode()
        self.seen.append({"service": service, "left": context.time_remaining(),
                          **{k: v for k, v in context.invocation_metadata()}})
        if self.delay:
            self.delay.wait(30)
        said = self.state.get(service, "NOT_FOUND")
        if said in NAMES.values():
            number = next(n for n, name in NAMES.items() if name == said)
            return bytes([0x08, number]) if number else b""
        context.abort(grpc.StatusCode[said], f"{said} of {service}")

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *exc):
        self.server.stop(0)


def _generic(self, handler_call_details):
    return Health.service(self, handler_call_details)


Health.__abstractmethods__ = frozenset()
