"""Whether a file is a whole film, by its outermost structure alone: nothing is decoded, nothing is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

BOX_HEAD = 8
PART_HEAD = 16
"""Bytes that hold the head of any box or element."""
PARTS_MOST = 10_000
EBML = b"\x1aE\xdf\xa3"
EBML_NAME_MOST = 4
SEGMENT = b"\x18\x53\x80\x67"
FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"wide", b"mdat", b"free", b"skip"})


def container_of(file: BinaryIO, ordered: str) -> str:
    """Name the container that a file's first bytes show: `ordered` where they fit it, or show none at all."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == EBML:
        return "webm"
    return "mp4" if ordered == "webm" and head[4:8] in FIRST_BOXES else ordered


def container_fault(file: BinaryIO, size: int, container: str, *, announced: bool) -> str:
    """Say what is wrong with a film's container, or nothing: magic bytes, and parts that end where the file ends.

    A decoder does not notice a file cut at a packet's end, so length and structure are checked here. `announced` is
    whether `size` is what the service said before: then a last part may leave its own length open.
    """
    file.seek(0)
    head = file.read(12)
    if container == "webm":
        if head[:4] != EBML:
            return "the file is no WEBM film"
        return _parts_fault(file, size, _element, needed={SEGMENT}, announced=announced)
    if head[4:8] not in FIRST_BOXES:
        return "the file is no MP4 or MOV film"
    return _parts_fault(file, size, _box, needed={b"moov", b"mdat"}, announced=announced)


def _parts_fault(
    file: BinaryIO,
    size: int,
    read: Callable[[bytes], tuple[bytes, int | None] | None],
    *,
    needed: set[bytes],
    announced: bool,
) -> str:
    """Walk over the outermost parts. `read` gives a part's kind and length (None: to the file's end) from its head."""
    kinds: set[bytes] = set()
    offset = 0
    for _ in range(PARTS_MOST):
        if offset == size:
            break
        file.seek(offset)
        part = read(file.read(PART_HEAD))
        if part is None or (part[1] is None and not announced):
            return "the film is cut or damaged"
        kinds.add(part[0])
        offset = size if part[1] is None else offset + part[1]
        if offset > size:
            return "the film is cut or damaged"
    if offset != size or not needed <= kinds:
        return "the film has no index, or no pictures"
    # Fragments follow each other without a count: after any of them a cut file looks whole.
    return "" if announced or b"moof" not in kinds else "the film's length was not announced"


def _box(head: bytes) -> tuple[bytes, int | None] | None:
    """Read the head of an ISO 14496-12 box."""
    length = int.from_bytes(head[:4], "big")
    if len(head) == PART_HEAD and length == 1:
        length = int.from_bytes(head[8:16], "big")
    if len(head) >= BOX_HEAD and length == 0:
        return head[4:8], None
    return (head[4:8], length) if len(head) >= BOX_HEAD and length >= BOX_HEAD else None


def _element(head: bytes) -> tuple[bytes, int | None] | None:
    """Read the head of an EBML element: identity, then length, each as long as its leading zero bits say (RFC 8794)."""
    name = _octets(head[:1])
    width = _octets(head[name : name + 1])
    if not 1 <= name <= EBML_NAME_MOST or not width or len(head) < name + width:
        return None
    mask = (1 << (7 * width)) - 1
    length = int.from_bytes(head[name : name + width], "big") & mask
    return head[:name], None if length == mask else name + width + length


def _octets(first: bytes) -> int:
    """How many octets an EBML number takes, by its first one; 0 where there is none."""
    return 9 - first[0].bit_length() if first and first[0] else 0
