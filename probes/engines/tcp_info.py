"""
What the kernel knows about a TCP connection (Linux, ``struct tcp_info``).

The kernel counts bytes where they arrive (`bytes_received`) and where the far end has
acknowledged them (`bytes_acked`): no trust in a server and no send buffer in the figure.
Elsewhere, and in kernels too old to tell, the answer is None.
"""

import array
import socket
import struct
import sys
from dataclasses import dataclass, replace

# include/uapi/linux/tcp.h, from tcpi_state to tcpi_bytes_retrans; later fields only lengthen it.
_STRUCT = struct.Struct("=8B 24I 4Q 6I 4Q 2I 2Q")
_ASKED_BYTES = 512
# asm-generic/socket.h; the first of its words is the memory of what has come and was not read.
_SO_MEMINFO, _MEMINFO = 55, struct.Struct("=9I")
# IPv4 or IPv6, then TCP with timestamps; what a whole segment costs beside its payload.
_HEADER_BYTES = {4: 52, 6: 72}


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """Counters in bytes and segments, times in microseconds, since the connection began."""

    rtt_us: int
    rttvar_us: int
    min_rtt_us: int
    bytes_acked: int
    bytes_received: int
    busy_us: int
    rwnd_limited_us: int
    sndbuf_limited_us: int
    bytes_sent: int
    bytes_retrans: int
    total_retrans: int
    mss_bytes: int = 0
    rcv_mss_bytes: int = 0
    path_mtu_bytes: int = 0
    cwnd_segments: int = 0
    pacing_rate_bytes_per_s: int = 0
    segments_out: int = 0
    segments_in: int = 0
    rcv_rtt_us: int = 0
    sacked_segments: int = 0
    memory_bytes: int = 0
    unread_bytes: int = 0

    def bytes_delivered(self) -> int:
        """Give what the far end says that it has, behind a hole too (SACK)."""
        return self.bytes_acked + self.sacked_segments * self.mss_bytes

    def wire_bytes(self, family: int) -> int:
        """Give about what both directions cost at the IP layer, retransmissions included."""
        headers = (self.segments_out + self.segments_in) * _HEADER_BYTES[family]
        return self.bytes_received + self.bytes_sent + headers


def read(sock: socket.socket) -> TcpInfo | None:
    """Ask the kernel about a connection; None where it cannot say."""
    if sys.platform != "linux":
        return None
    try:
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ASKED_BYTES)
    except OSError:
        return None
    info = parse(data)
    return None if info is None else replace(info, **_waiting(sock))


def _waiting(sock: socket.socket) -> dict[str, int]:
    """Give the memory of what has come and was not read, and how much of it could be read."""
    import fcntl
    import termios

    unread = array.array("i", [0])
    try:
        memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, unread)
        return {"memory_bytes": _MEMINFO.unpack(memory)[0], "unread_bytes": unread[0]}
    except (OSError, struct.error):
        return {}


def parse(data: bytes) -> TcpInfo | None:
    """Read the kernel's bytes; None where they are too short to hold the counters."""
    if len(data) < _STRUCT.size:
        return None
    fields = _STRUCT.unpack_from(data)
    words, counters = fields[8:32], fields[32:]
    return TcpInfo(
        rtt_us=words[15],
        rttvar_us=words[16],
        min_rtt_us=counters[7],
        bytes_acked=counters[2],
        bytes_received=counters[3],
        busy_us=counters[11],
        rwnd_limited_us=counters[12],
        sndbuf_limited_us=counters[13],
        bytes_sent=counters[16],
        bytes_retrans=counters[17],
        total_retrans=words[23],
        mss_bytes=words[2],
        rcv_mss_bytes=words[3],
        path_mtu_bytes=words[13],
        cwnd_segments=words[18],
        pacing_rate_bytes_per_s=counters[0],
        segments_out=counters[4],
        segments_in=counters[5],
        rcv_rtt_us=words[21],
        sacked_segments=words[5],
    )


def congestion_control(sock: socket.socket) -> str | None:
    """Give the name of a connection's congestion control; None where the system has none."""
    option = getattr(socket, "TCP_CONGESTION", None)
    if option is None:
        return None
    try:
        name = sock.getsockopt(socket.IPPROTO_TCP, option, 16)
    except OSError:
        return None
    return name.rstrip(b"\0").decode("ascii", "replace")


def prefer_congestion_control(sock: socket.socket, name: str) -> None:
    """Ask for a congestion control; where the system has or allows it not, its own stays."""
    option = getattr(socket, "TCP_CONGESTION", None)
    if option is not None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, option, name.encode("ascii"))
        except OSError:
            return
