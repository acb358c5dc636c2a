"""IMAGE, AUDIO and VIDEO of the graph, from and to arrays and files. The only importer of torch.

IMAGE is float [batch, height, width, channels], 0 to 1, RGB. AUDIO is {"waveform": float [batch, channels, samples],
-1 to 1, "sample_rate": Hz}. VIDEO is ComfyUI's own object.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import film
from .runware.errors import InputError
from .runware.media import MOST_PIXELS, Clip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

BLOCK_VALUES = 2**17
"""Values converted at a time: as floats they fit into a core's cache."""

LOOKS_LIKE_BYTES = 2.0
"""Above this mean of the brightest values a picture is taken for one of 0 to 255."""

SAMPLE_RATES = (8_000, 192_000)
"""Hz."""

AUDIO_SECONDS_MOST = 30 * 60
CHANNELS_MOST = 8


def one_picture(image: Any, *, node: str, field: str) -> NDArray[np.uint8]:
    """Give the one picture of an IMAGE as uint8 [height, width, 3], RGB; alpha is composited on black.

    Raises InputError, also for a batch of more than one: none is chosen silently.
    """
    batch = _batch(image, node=node, field=field)
    if len(batch) > 1:
        raise InputError(
            node=node,
            field=field,
            rule=f"it is a batch of {len(batch)} pictures, and one is wanted.",
            next_step="Choose one with ImageFromBatch.",
        )
    return _pixels(batch[0], node=node, field=field)


def pictures(image: Any, *, node: str, field: str, most: int) -> list[NDArray[np.uint8]]:
    """Give every picture of an IMAGE of at most `most` as uint8 [height, width, 3]. Raises InputError."""
    batch = _batch(image, node=node, field=field)
    if len(batch) > most:
        raise InputError(
            node=node,
            field=field,
            rule=f"it is a batch of {len(batch)} pictures, and at most {most} are taken.",
            next_step="Choose some with ImageFromBatch.",
        )
    return [_pixels(picture, node=node, field=field) for picture in batch]


def to_image(frames: NDArray[np.float32]) -> torch.Tensor:
    """Hand frames [frames, height, width, 3] to the graph, without a copy."""
    return torch.from_numpy(frames)


def to_audio(waveform: NDArray[np.float32], sample_rate: int) -> dict[str, Any]:
    """Hand sound [channels, samples] to the graph, without a copy."""
    return {"waveform": torch.from_numpy(waveform)[None], "sample_rate": sample_rate}


def save_audio(audio: Any, folder: Path, *, node: str, field: str) -> Clip:
    """Write an AUDIO as a 16-bit WAV file into `folder`, named by its content, whole or not at all. Raises InputError."""
    samples, rate = _sound(audio, node=node, field=field)
    digest = hashlib.sha256(b"pcm16 %d %d\n" % (rate, samples.shape[1]))
    digest.update(samples.data)
    path = folder / f"kling_{digest.hexdigest()}.wav"
    if not path.exists():
        part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        try:
            with wave.open(str(part), "wb") as file:
                file.setnchannels(samples.shape[1])
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes(samples.data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return Clip(path, digest.hexdigest(), "audio", seconds=len(samples) / rate)


def save_video(video: Any, folder: Path, *, node: str, field: str) -> Clip:
    """Write a VIDEO as an MP4 file into `folder`, whole or not at all; re-encoded only where it must be.

    Its identity is that of what is seen and heard: coded packets where they are copied, pixels where they are not.
    Raises InputError.
    """
    from comfy_api.latest import Types

    part = folder / f".kling_{secrets.token_hex(8)}.mp4"
    try:
        identity = _hash_components(video)
        video.save_to(str(part), format=Types.VideoContainer.MP4)
        identity = identity or film.hash_film(part)
        info = film.probe(part)
        path = folder / f"kling_{identity}.mp4"
        part.replace(path)
    except (OSError, ValueError, film.FilmError) as error:
        raise InputError(
            node=node,
            field=field,
            rule=f"this video cannot be read or written as MP4 ({type(error).__name__}).",
            next_step="Load it anew, or save it as H.264 MP4 first.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return Clip(path, identity, "video", seconds=info.seconds, width=info.width, height=info.height)


def _batch(image: Any, *, node: str, field: str) -> torch.Tensor:
    """Check that a value is an IMAGE with something in it."""
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image)
    if not isinstance(image, torch.Tensor) or image.ndim not in {3, 4}:
        raise _unfit(node, field, "it is no picture of the form [batch, height, width, channels].")
    batch = image.detach() if image.ndim == 4 else image.detach()[None]  # noqa: PLR2004
    shape = "x".join(str(length) for length in batch.shape)
    if 0 in batch.shape:
        raise _unfit(node, field, f"it is empty ({shape}).")
    if batch.shape[3] not in {1, 3, 4}:
        raise _unfit(node, field, f"it has {batch.shape[3]} channels ({shape}); 1, 3 or 4 are taken.")
    if batch.shape[1] * batch.shape[2] > MOST_PIXELS:
        raise _unfit(node, field, f"it has more than {MOST_PIXELS} pixels ({shape}).")
    return batch


def _pixels(picture: torch.Tensor, *, node: str, field: str) -> NDArray[np.uint8]:
    """Convert [height, width, channels] to uint8 RGB: rounded, not cut off; what lies outside 0 to 1 is clamped."""
    if picture.dtype == torch.uint8:
        values = picture.cpu().numpy()
    else:
        if not picture.dtype.is_floating_point:
            raise _unfit(node, field, f"its values are {picture.dtype}, and floats from 0 to 1 are taken.")
        values = _round(picture, node=node, field=field)
    if values.shape[2] == 1:
        return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))
    if values.shape[2] == 3:  # noqa: PLR2004
        return np.ascontiguousarray(values)
    alpha = values[..., 3:].astype(np.uint16)
    return ((values[..., :3] * alpha + 127) // 255).astype(np.uint8)


def _round(picture: torch.Tensor, *, node: str, field: str) -> NDArray[np.uint8]:
    if picture.dtype not in {torch.float32, torch.float64}:
        picture = picture.float()
    values = np.ascontiguousarray(picture.cpu().numpy())
    flat, out = values.reshape(-1), np.empty(values.size, np.uint8)
    buffer = np.empty(min(BLOCK_VALUES, values.size), values.dtype)
    brightest = 0.0
    for start in range(0, flat.size, BLOCK_VALUES):
        block = flat[start : start + BLOCK_VALUES]
        scaled = buffer[: block.size]
        highest, lowest = block.max(), block.min()
        if not (np.isfinite(highest) and np.isfinite(lowest)):
            raise _not_numbers(values, node, field)
        brightest = max(brightest, float(highest))
        np.multiply(block, 255, out=scaled)
        np.rint(scaled, out=scaled)
        np.clip(scaled, 0, 255, out=scaled)
        out[start : start + block.size] = scaled
    if brightest > LOOKS_LIKE_BYTES and float(np.clip(values, 0, None).mean()) > 1.0:
        raise _unfit(node, field, f"its values reach {brightest:.0f}, as if they were bytes; floats from 0 to 1 are taken.")
    return out.reshape(values.shape)


def _not_numbers(values: NDArray[Any], node: str, field: str) -> InputError:
    wrong = np.argwhere(~np.isfinite(values))
    row, column = wrong[0][:2]
    return _unfit(
        node,
        field,
        f"{len(wrong)} of its values are no numbers (NaN or infinite), the first in row {row}, column {column}.",
        "The node that made it has failed; look there (often a VAE in half precision).",
    )


def _unfit(node: str, field: str, rule: str, next_step: str = "Connect an ordinary IMAGE.") -> InputError:
    return InputError(node=node, field=field, rule=rule, next_step=next_step)


def _sound(audio: Any, *, node: str, field: str) -> tuple[NDArray[np.int16], int]:
    """Check an AUDIO and give it as 16-bit [samples, channels], and its rate."""

    def refuse(rule: str) -> InputError:
        return _unfit(node, field, rule, "Connect an ordinary AUDIO, such as LoadAudio gives.")

    if not isinstance(audio, dict) or not isinstance(audio.get("waveform"), torch.Tensor):
        raise refuse("it is no sound.")
    waveform, rate = audio["waveform"].detach(), audio.get("sample_rate")
    if not isinstance(rate, int) or not SAMPLE_RATES[0] <= rate <= SAMPLE_RATES[1]:
        raise refuse(f"its sample rate is {rate!r}; {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz are taken.")
    if waveform.ndim != 3 or waveform.shape[0] != 1 or not 1 <= waveform.shape[1] <= CHANNELS_MOST:  # noqa: PLR2004
        raise refuse(f"it has the shape {tuple(waveform.shape)}; one sound [1, channels, samples] is taken.")
    if not waveform.shape[2] or waveform.shape[2] > AUDIO_SECONDS_MOST * rate:
        raise refuse(f"it lasts {waveform.shape[2] / rate:.1f} s.")
    values = waveform[0].float().cpu().numpy().T
    if not np.isfinite(values).all():
        raise refuse("it holds values that are no numbers.")
    return np.ascontiguousarray(np.rint(np.clip(values, -1, 1) * 32767).astype("<i2")), rate


def _hash_components(video: Any) -> str:
    """Hash a VIDEO that was made of frames in the graph, before it is encoded; nothing for one that is a file."""
    from comfy_api.latest import InputImpl

    if not isinstance(video, InputImpl.VideoFromComponents):
        return ""
    components = video.get_components()
    digest = hashlib.sha256(f"frames {components.frame_rate} {tuple(components.images.shape)}\n".encode())
    for picture in components.images:
        digest.update(_pixels(picture.detach(), node="", field="").data)
    audio: Mapping[str, Any] | None = components.audio
    if audio:
        samples, rate = _sound({**audio, "sample_rate": int(audio["sample_rate"])}, node="", field="")
        digest.update(b"pcm16 %d %d\n" % (rate, samples.shape[1]))
        digest.update(samples.data)
    return digest.hexdigest()
