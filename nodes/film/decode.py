"""Decode no more of a film than the wanted frames need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .info import Cancelled, of_one_size, shown_packets, tagged_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PACKETS_A_FRAME = 2
"""At most: one for each field."""
LENGTH_TOLERANCE = 1.5
"""Frames: a muxer that counts in milliseconds and one that leaves the last duration out may differ by this."""


@dataclass(frozen=True)
class Reel:
    """All packets of a picture track, and when their frames are shown.

    A clip's packets are a few megabytes: with all of them in hand it is known which of them a wanted frame needs.
    """

    stream: VideoStream
    packets: list[Packet[VideoStream]]
    times: list[int]
    """Of the frames, in the order of showing: presentation times, or 0, 1, 2 ... if the file's are no use."""
    timed: bool
    declared: int
    """Frames the file promises. More than there are times: it was cut off."""

    @classmethod
    def read(cls, container: InputContainer, stream: VideoStream, most: int) -> Reel:
        """Read the packets of one track, and decode none; where it has more than `most` frames, not all of them.

        Packets of a byte each take far more memory than the file.
        """
        packets, shown = [], []
        for packet, is_shown in shown_packets(container, stream):
            packets.append(packet)
            if is_shown:
                shown.append(packet.pts)
            if len(packets) > PACKETS_A_FRAME * most:
                break
        known = sorted({time for time in shown if time is not None})
        timed = len(known) == len(shown)
        times = known if timed else list(range(len(shown)))
        discarded = sum(packet.is_discard for packet in packets)
        declared = stream.frames - discarded if stream.frames else _frames_by_length(stream, packets, len(shown))
        return cls(stream, packets, times, timed, max(declared, len(times)))

    def frames(self, wanted: Container[int], cancelled: Callable[[], bool]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (time, frame) of the wanted times, in the order of showing. Raises FilmError if their size changes."""
        for number, frame in enumerate(of_one_size(self._decoded(wanted, cancelled), self.stream)):
            time = frame.pts if self.timed else number
            if time is not None and time in wanted:
                yield time, frame

    def _decoded(self, wanted: Container[int], cancelled: Callable[[], bool]) -> Iterator[VideoFrame]:
        codec = self.stream.codec_context
        resting = False
        for packet, needed in zip(self.packets, self._needed(wanted), strict=True):
            if cancelled():
                raise Cancelled
            if not needed and not resting:
                # What is still inside has to come out before the decoder starts anew at a later key frame.
                yield from codec.decode(None)
                codec.flush_buffers()
            resting = not needed
            if needed:
                # Of the frames that only lead to a wanted one, those that no other refers to need no decoding.
                codec.skip_frame = "DEFAULT" if not self.timed or packet.pts in wanted else "NONREF"
                yield from codec.decode(packet)
        if not resting:
            yield from codec.decode(None)

    def _needed(self, wanted: Container[int]) -> list[bool]:
        """Tell for each packet whether a wanted frame depends on it: from a key frame up to the last wanted one."""
        if not self.timed:
            return [True] * len(self.packets)
        needed = []
        earliest: int | None = None
        for packet in reversed(self.packets):
            time = packet.pts
            if time is not None and time in wanted:
                earliest = time if earliest is None else min(earliest, time)
            needed.append(earliest is not None)
            # A frame shown before its key frame (an open group of pictures) also needs the group before.
            if packet.is_keyframe and time is not None and earliest is not None and earliest >= time:
                earliest = None
        return needed[::-1]


def _frames_by_length(stream: VideoStream, packets: list[Packet[VideoStream]], shown: int) -> int:
    """Number of frames a container that counts none should have by its length: more than shown if it was cut off."""
    seconds, rate = tagged_seconds(stream), stream.average_rate
    ends = [packet.pts + (packet.duration or 0) for packet in packets if packet.pts is not None]
    if not seconds or not rate or not ends or not stream.time_base:
        return shown
    missing = (seconds - float(max(ends) * stream.time_base)) * float(rate)
    return shown + (round(missing) if missing > LENGTH_TOLERANCE else 0)
