"""Hears marks as docs/formats/marks.md describes them: a reader of its own, so that the page is true."""
import array
import mmap
import os
import socket
import struct

GREETING = struct.Struct("<8sIIQIIQ24s")
HEADER = struct.Struct("<8s6I")
SLOTS, SLOT_BYTES, NAMES_AT, SLOTS_AT = 262_144, 32, 4_096, 266_240
RING_BYTES = SLOTS_AT + SLOTS * SLOT_BYTES
KINDS = {1: "phase", 2: "phase end", 3: "wait", 4: "wait end", 5: "step", 6: "metric", 7: "metric", 8: "tag", 9: "count", 10: "flops",
         12: "recomputed_flops"}
UNITS = ["tokens", "samples", "bytes"]
PRECISIONS = ["fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"]
FACTORS = [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93]


class Process:
    """One greeting and its ring."""

    def __init__(self, packet, file):
        magic, version, self.pid, self.start, self.parent, _, _, name = GREETING.unpack(packet)
        assert (magic, version) == (b"EWHELLO\0", 1)
        self.name = name.rstrip(b"\0").decode()
        assert os.fstat(file).st_size == RING_BYTES
        self.ring = mmap.mmap(file, RING_BYTES)
        os.close(file)
        assert HEADER.unpack_from(self.ring)[:5] == (b"EWRING1\0", 1, SLOTS, SLOT_BYTES, 262_144)
        self.generation = HEADER.unpack_from(self.ring)[5]

    def word(self, at):
        return struct.unpack_from("<Q", self.ring, at)[0]

    @property
    def dropped(self):
        return self.word(192)

    def names(self):
        names, at, end = [""], NAMES_AT, NAMES_AT + self.word(200)
        while at < end:
            size = self.ring[at]
            names.append(self.ring[at + 1:at + 1 + size].decode())
            at += 1 + size
        return names

    def slot(self, position):
        """Kind, detail, words of 8 bytes and words as bytes of a slot that must be whole."""
        at = SLOTS_AT + position % SLOTS * SLOT_BYTES
        stamp, *words = struct.unpack_from("<4Q", self.ring, at)
        low = stamp & (1 << 48) - 1
        total = sum(word * factor for word, factor in zip([low, *words], FACTORS)) % 2**64
        assert low & 0xFFFFFFFF == position % 2**32 and stamp >> 48 == total >> 48, f"slot {position} is not committed"
        return low >> 32 & 0xFF, low >> 40, words, bytes(self.ring[at + 8:at + 32])

    def marks(self):
        """(thread, what, …) of all that is in the ring; ends name what they end."""
        names, begun, found, position = self.names(), {}, [], 0
        while position < self.word(64):
            kind, detail, (_, who, value), _ = self.slot(position)
            name, number = names[who >> 32], struct.unpack("<d", struct.pack("<Q", value))[0]
            said = [who & 0xFFFFFFFF, KINDS[kind]]
            more = 0
            if kind in (1, 3):
                begun[self.generation << 48 | position + 1] = name
                said += [name]
            elif kind in (2, 4):
                said += [begun.get(value)]
            elif kind == 5:
                said += [None if value == 2**64 - 1 else value]
            elif kind in (6, 7):
                more = kind - 6
                said += [name, number, self.slot(position + 1)[2][0] if more else None]
            elif kind == 8:
                more = (value + 23) // 24
                said += [name, b"".join(self.slot(position + 1 + i)[3] for i in range(more))[:value].decode()]
            elif kind == 9:
                said += [UNITS[detail], value]
            else:
                said += [PRECISIONS[detail], number]
            found.append(tuple(said))
            position += 1 + more
        return found


class Listener:
    """The supervisor's end of the socket."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        self.socket.listen(64)
        self.socket.settimeout(5)

    def process(self):
        """The next one that introduced itself."""
        connection, _ = self.socket.accept()
        with connection:
            packet, rights, _, _ = connection.recvmsg(128, socket.CMSG_SPACE(4))
        (_, _, data), = rights
        file, = array.array("i", data)
        return Process(packet, file)
