"""A file system in memory (FUSE, spoken by hand) that is as awkward as some network file systems are.

    python3 awkward_fs.py FOLDER [mapped]       mounts itself there, prints "mounted", and goes when its input ends; needs root

- It has no locks: flock and fcntl locks fail with ENOLCK, as on NFS without a lock daemon.
- Its files cannot be mapped shared (ENODEV), as on file systems that are not coherent; with "mapped" they can.
- It reserves nothing (EOPNOTSUPP).
- Who looks for a name that begins with "hang" waits until "release" comes on its input, in uninterruptible sleep once a signal
  came: SIGKILL stays pending. "hanging" is printed when somebody waits.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import sys

ROOT, NO_LOCK, NOT_SUPPORTED = 1, errno.ENOLCK, errno.EOPNOTSUPP
# FOPEN_DIRECT_IO: no page cache, so no shared mapping.
DIRECT_IO = 0 if "mapped" in sys.argv else 1
HEAD = struct.Struct("<IIQQIIIHH")
libc = ctypes.CDLL(None, use_errno=True)


class Node:
    def __init__(self, number, mode):
        self.number, self.mode, self.data, self.names = number, mode, bytearray(), {}

    def attributes(self):
        times = (0, 0, 0, 0, 0, 0)
        owner = (os.getuid(), os.getgid())
        size = len(self.data)
        return struct.pack("<6Q10I", self.number, size, -(-size // 512), *times, self.mode, 1, *owner, 0, 4096, 0)

    def entry(self):
        return struct.pack("<4Q2I", self.number, 0, 0, 0, 0, 0) + self.attributes()


class Awkward:
    def __init__(self):
        self.nodes = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755)}
        self.last = ROOT
        self.waiting = []

    def make(self, parent, name, mode):
        self.last += 1
        node = self.nodes[self.last] = Node(self.last, mode)
        self.nodes[parent].names[name] = self.last
        return node

    def answer(self, code, unique, number, body):
        """The body of the answer, an error number, or None for no answer."""
        node = self.nodes.get(number)
        if code == 26:  # INIT: locks are ours to refuse (POSIX_LOCKS, FLOCK_LOCKS), writes may be long (BIG_WRITES)
            flags = 1 << 1 | 1 << 10 | 1 << 5
            return struct.pack("<4I2H2I2HI", 7, 31, 65536, flags, 12, 10, 65536, 1, 16, 0, 0).ljust(64, b"\0")
        if code in (2, 36, 42):  # FORGET, INTERRUPT, BATCH_FORGET
            return None
        if node is None:
            return errno.ESTALE
        if code == 1:  # LOOKUP
            name = body[:-1]
            if name.startswith(b"hang"):
                self.waiting.append(unique)
                print("hanging", flush=True)
                return None
            if name not in node.names:
                return errno.ENOENT
            return self.nodes[node.names[name]].entry()
        if code == 3:  # GETATTR
            return bytes(16) + node.attributes()
        if code == 4:  # SETATTR
            valid, size, mode = *struct.unpack_from("<I12xQ", body), *struct.unpack_from("<68xI", body)
            if valid & 1:
                node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
            if valid & 8:
                del node.data[size:]
                node.data.extend(bytes(size - len(node.data)))
            return bytes(16) + node.attributes()
        if code == 9:  # MKDIR
            return self.make(number, body[8:-1], stat.S_IFDIR | struct.unpack_from("<I", body)[0]).entry()
        if code in (10, 11):  # UNLINK, RMDIR
            return b"" if node.names.pop(body[:-1], None) else errno.ENOENT
        if code in (12, 45):  # RENAME, RENAME2
            old, new = body[8 if code == 12 else 16 : -1].split(b"\0")
            self.nodes[struct.unpack_from("<Q", body)[0]].names[new] = node.names.pop(old)
            return b""
        if code in (14, 27):  # OPEN, OPENDIR
            return struct.pack("<QIi", 0, DIRECT_IO, 0)
        if code == 15:  # READ
            offset, size = struct.unpack_from("<8xQI", body)
            return bytes(node.data[offset : offset + size])
        if code == 16:  # WRITE
            offset, size = struct.unpack_from("<8xQI", body)
            node.data.extend(bytes(max(0, offset - len(node.data))))
            node.data[offset : offset + size] = body[40 : 40 + size]
            return struct.pack("<2I", size, 0)
        if code == 17:  # STATFS
            return struct.pack("<5Q10I", 1 << 20, 1 << 19, 1 << 19, 1000, 1000, 4096, 255, 4096, *[0] * 7)
        if code in (18, 20, 25, 29, 38):  # RELEASE, FSYNC, FLUSH, RELEASEDIR, DESTROY
            return b""
        if code == 28:  # READDIR
            return self.listing(node, *struct.unpack_from("<8xQI", body))
        if code in (31, 32, 33):  # GETLK, SETLK, SETLKW
            return NO_LOCK
        if code == 35:  # CREATE
            mode = struct.unpack_from("<4xI", body)[0]
            return self.make(number, body[16:-1], mode).entry() + struct.pack("<QIi", 0, DIRECT_IO, 0)
        if code == 43:  # FALLOCATE
            return NOT_SUPPORTED
        return errno.ENOSYS

    def listing(self, node, offset, size):
        out = b""
        for at, (name, number) in enumerate(node.names.items()):
            if at < offset:
                continue
            kind = stat.S_IFMT(self.nodes[number].mode) >> 12
            one = struct.pack("<2Q2I", number, at + 1, len(name), kind) + name
            one = one.ljust(-(-len(one) // 8) * 8, b"\0")
            if len(out) + len(one) > size:
                break
            out += one
        return out


def reply(fuse, unique, answer):
    error, body = (-answer, b"") if isinstance(answer, int) else (0, answer)
    try:
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)
    except FileNotFoundError:
        pass  # who asked was interrupted


def main():
    folder = os.fsencode(sys.argv[1])
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other" % (fuse, os.getuid(), os.getgid())
    if libc.mount(b"awkward", folder, b"fuse", 2 | 4, options) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    system, commands = Awkward(), b""
    print("mounted", flush=True)
    try:
        while True:
            ready, _, _ = select.select([fuse, 0], [], [])
            if 0 in ready:
                came = os.read(0, 4096)
                commands += came
                if not came:
                    return
                while b"\n" in commands:
                    _, commands = commands.split(b"\n", 1)
                    for unique in system.waiting:
                        reply(fuse, unique, errno.ENOENT)
                    system.waiting.clear()
            if fuse in ready:
                request = os.read(fuse, 1 << 18)
                length, code, unique, node, *_ = HEAD.unpack_from(request)
                answer = system.answer(code, unique, node, request[HEAD.size : length])
                if answer is not None:
                    reply(fuse, unique, answer)
    finally:
        # Closing the device ends every request that still waits.
        libc.umount2(folder, 2)
        os.close(fuse)


main()
