"""The frames between a worker and the holder of a Session: one JSON head, then raw bytes.

Both ends import this: `held.py` in the worker, `holder.py` in the held namespace. JSON and not pickle, because the
holder reads trees that untrusted code wrote. File descriptors travel beside the first bytes of a request.
"""

import json
import socket
import struct
from typing import Any

LENGTHS = struct.Struct("!II")
MAX_FDS = 8


def pack(head: dict[str, Any], body: bytes = b"") -> tuple[bytes, bytes]:
    """The fixed-size lengths and the rest of one frame."""
    encoded = json.dumps(head).encode()
    return LENGTHS.pack(len(encoded), len(body)), encoded + body


def unpack(payload: bytes, head_length: int) -> tuple[dict[str, Any], bytes]:
    """Head and body of a frame whose lengths were read before."""
    head: dict[str, Any] = json.loads(payload[:head_length])
    return head, payload[head_length:]


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """`count` bytes of a blocking socket; EOFError when the other end is gone."""
    data = bytearray()
    while len(data) < count:
        if not (chunk := sock.recv(min(count - len(data), 1 << 20))):
            raise EOFError
        data += chunk
    return bytes(data)


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes, list[int]]:
    """One request of a blocking socket with its descriptors (all close-on-exec); EOFError at the end."""
    # Not socket.recv_fds: it drops its flags (CPython 3.11), and the descriptors would leak into every command.
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_WAITALL
    lengths, extras, _, _ = sock.recvmsg(LENGTHS.size, socket.CMSG_SPACE(MAX_FDS * 4), flags)
    if len(lengths) < LENGTHS.size:
        raise EOFError
    fds = [fd for _, _, data in extras for fd in struct.unpack(f"{len(data) // 4}i", data)]
    head_length, body_length = LENGTHS.unpack(lengths)
    head, body = unpack(read_exactly(sock, head_length + body_length), head_length)
    return head, body, fds
