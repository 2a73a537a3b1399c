"""Picture files as the world has them: for each what it shows, or why it can't be read."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .pictures import photo

PICTURE = photo(3, 64)[:, :48]  # upright: 64 high, 48 wide
NOT_ONE = "neither a JPEG nor a PNG nor a WebP file"


def encoded(kind, image=PICTURE, **options):
    """`image` as PIL writes it."""
    file = io.BytesIO()
    best = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}.get(kind, {})
    Image.fromarray(image).save(file, kind, **{**best, **options})
    return file.getvalue()


def jpeg_header(width, height):
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width, height):
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def webp_header(width, height):
    """An extended one."""
    content = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4)
    content += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(content)) + content


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def as_stored(orientation):
    """The picture as a camera that asks for this turn stores it: what EXIF's orientation undoes."""
    mirrored = PICTURE.swapaxes(0, 1)
    stored = {
        1: PICTURE, 2: PICTURE[:, ::-1], 3: PICTURE[::-1, ::-1], 4: PICTURE[::-1],
        5: mirrored, 6: np.rot90(PICTURE), 7: mirrored[::-1, ::-1], 8: np.rot90(PICTURE, -1),
    }  # fmt: skip
    return np.ascontiguousarray(stored[orientation])


def frames(count=3):
    """Pictures for an animation: the first is PICTURE."""
    return [Image.fromarray(np.roll(PICTURE, 16 * i, axis=1)) for i in range(count)]


def animated(kind, **options):
    file = io.BytesIO()
    first, *others = frames()
    first.save(file, kind, save_all=True, append_images=others, duration=50, **options)
    return file.getvalue()


def readable():
    """Name -> (content of the file, the pixels that it shows, how far they may be off: the mean of 255)."""
    grey = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
    alpha = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 200, np.uint8)])
    deep = cv2.imencode(".png", PICTURE[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    in_ink = io.BytesIO()
    Image.fromarray(PICTURE).convert("CMYK").save(in_ink, "JPEG", quality=95, subsampling=0)
    noisy = encoded("PNG")
    noisy = noisy[:33] + png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"bad")) + png_chunk(b"tEXt", b"") + noisy[33:]
    kinds = {
        "plain.jpg": (encoded("JPEG"), PICTURE, 3),
        "progressive.jpg": (encoded("JPEG", progressive=True), PICTURE, 3),
        "plain.png": (encoded("PNG"), PICTURE, 0),
        "lossy.webp": (encoded("WEBP"), PICTURE, 8),
        "lossless.webp": (encoded("WEBP", lossless=True), PICTURE, 0),
        "a png.jpg": (encoded("PNG"), PICTURE, 0),
        "a webp.jpg": (encoded("WEBP", lossless=True), PICTURE, 0),
        "one pixel.png": (encoded("PNG", PICTURE[:1, :1]), PICTURE[:1, :1], 0),
        "one pixel.jpg": (encoded("JPEG", PICTURE[:1, :1]), PICTURE[:1, :1], 3),
        "grey.png": (encoded("PNG", grey), np.dstack([grey] * 3), 0),
        "grey.jpg": (encoded("JPEG", grey), np.dstack([grey] * 3), 3),
        "palette.png": (_palette(), PICTURE, 12),
        "alpha.png": (encoded("PNG", alpha), PICTURE, 0),
        "alpha.webp": (encoded("WEBP", alpha, lossless=True), PICTURE, 0),
        "16 bits.png": (deep, PICTURE, 0),
        "cmyk.jpg": (in_ink.getvalue(), PICTURE, 4),
        "animated.webp": (animated("WEBP", lossless=True), PICTURE, 0),
        "animated.png": (animated("PNG"), PICTURE, 0),
        "bad profile.png": (noisy, PICTURE, 0),
        "followed by a film.jpg": (encoded("JPEG") + bytes(500), PICTURE, 3),
        "größe 顔.jpg": (encoded("JPEG"), PICTURE, 3),
        "two\nlines.jpg": (encoded("JPEG"), PICTURE, 3),
    }
    for turn in range(1, 9):
        for kind, ending, off in (("JPEG", "jpg", 3), ("PNG", "png", 0), ("WEBP", "webp", 8)):
            kinds[f"turn {turn}.{ending}"] = (encoded(kind, as_stored(turn), exif=exif(turn)), PICTURE, off)
    return kinds


def _palette():
    file = io.BytesIO()
    Image.fromarray(PICTURE).quantize(256).save(file, "PNG")
    return file.getvalue()


def unreadable():
    """Name -> (content of the file, why it can't be read)."""
    kinds = {
        "empty.jpg": (b"", "empty file"),
        "text.jpg": (b"no picture\n", NOT_ONE),
        "page.png": (b"<!DOCTYPE html><html><body>404</body></html>", NOT_ONE),
        "animated.gif.jpg": (animated("GIF"), NOT_ONE),
        "huge.jpg": (jpeg_header(60000, 60000) + bytes(99), "60000x60000 pixels, more than 67108864"),
        "huge.png": (png_header(60000, 60000) + bytes(99), "60000x60000 pixels, more than 67108864"),
        "huge.webp": (webp_header(60000, 60000), "60000x60000 pixels, more than 67108864"),
        "flipped\nbit.png": (_flipped(encoded("PNG")), "damaged or not a picture"),
    }
    whole = {"jpg": encoded("JPEG"), "png": encoded("PNG"), "webp": encoded("WEBP")}
    for ending, content in whole.items():
        for tenth in range(1, 10):
            kinds[f"cut at {tenth}.{ending}"] = (content[: len(content) * tenth // 10], "damaged")
    return kinds


def _flipped(content):
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 4
    return bytes(damaged)


def no_files(folder: Path):
    """Things in `folder` that have a picture's name and are no file; name -> why they can't be read."""
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    links = {"dangling.jpg": "nowhere", "loop.jpg": "loop.jpg", "endless.jpg": "/dev/zero", "up.jpg": ".."}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    return {
        "folder.jpg": "not a regular file",
        "pipe.jpg": "not a regular file",
        "dangling.jpg": "No such file or directory",
        "loop.jpg": "Too many levels of symbolic links",
        "endless.jpg": "not a regular file",
        "up.jpg": "not a regular file",
    }
