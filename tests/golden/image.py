#!/usr/bin/python3
"""Makes the reference pictures of the decoder's tests in tests/golden/image.

For each file FILE that edged shall read, FILE.npy has the pixels that Pillow,
libjpeg-turbo's djpeg or plain arithmetic say are in it. The files are
committed; this needs python3-pil, python3-numpy and libjpeg-turbo-progs only
when they shall be made anew.
"""

import pathlib
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageOps

OUT = pathlib.Path(__file__).parent / "image"
WIDTH, HEIGHT = 29, 22  # not a multiple of a JPEG block


def scene():
    """Smooth colours with an edge, different in every corner."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    r = 255 * x / WIDTH
    g = 255 * y / HEIGHT
    b = 128 + 100 * np.sin(x / 4) * np.cos(y / 5)
    picture = np.stack([r, g, b], -1)
    picture[3:9, 4:13] = (240, 30, 60)
    return picture.clip(0, 255).astype(np.uint8)


def keep(name, pixels):
    """The expected pixels, (H,W,C)."""
    pixels = np.asarray(pixels, np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    np.save(OUT / f"{name}.npy", np.ascontiguousarray(pixels))


def keep_pillow(name):
    with Image.open(OUT / name) as f:
        picture = ImageOps.exif_transpose(f)
        keep(name, picture if picture.mode == "L" else picture.convert("RGB"))


def cjpeg(name, *options, gray=False):
    """By libjpeg-turbo's own program, for what Pillow cannot write."""
    source = Image.fromarray(scene())
    source = source.convert("L") if gray else source
    source.save("/tmp/scene.ppm")
    subprocess.run(["cjpeg", "-quality", "85", *options, "-outfile",
                    str(OUT / name), "/tmp/scene.ppm"], check=True)
    keep_pillow(name)


def jpegs():
    picture = Image.fromarray(scene())
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        picture.save(OUT / f"{name}.jpg", quality=85, subsampling=subsampling)
        keep_pillow(f"{name}.jpg")
    cjpeg("440.jpg", "-sample", "1x2")
    cjpeg("411.jpg", "-sample", "4x1")
    cjpeg("restart.jpg", "-restart", "1B")
    cjpeg("progressive.jpg", "-progressive")
    cjpeg("arithmetic.jpg", "-arithmetic")
    cjpeg("rgb.jpg", "-rgb")
    cjpeg("gray.jpg", gray=True)
    picture.save(OUT / "icc.jpg", quality=85, icc_profile=bytes(range(200)))
    keep_pillow("icc.jpg")
    picture.convert("CMYK").save(OUT / "cmyk.jpg", quality=95)
    keep_pillow("cmyk.jpg")
    many_scans()


def many_scans():
    """Correct progressive files of 64 scans, which is allowed, and of 65."""
    lines = ["0 1 2: 0-0, 0, 0;"]
    lines += [f"0: {k}-{k}, 0, 0;" for k in range(1, 64)]
    script = pathlib.Path("/tmp/scans.txt")
    script.write_text("\n".join(lines) + "\n")
    cjpeg("scans64.jpg", "-scans", str(script))
    script.write_text("\n".join(lines) + "\n1: 1-63, 0, 0;\n")
    cjpeg("scans65.jpg", "-scans", str(script))
    (OUT / "scans65.jpg.npy").unlink()


def tiff(orientation, big):
    """The smallest EXIF structure: one entry, the orientation."""
    order = ">" if big else "<"
    return struct.pack(order + "2sHIHHHIHHI", b"MM" if big else b"II", 42, 8,
                       1, 0x0112, 3, 1, orientation, 0, 0)


def exif_jpegs():
    """The same picture stored in all eight ways: the pixels must agree. The
    stored rows are made here by slicing, not by the reader under test. Flat
    blocks of 8x8 survive JPEG turned or not."""
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 8, (3, 4)) * 32 + 16
    up = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
    stored = {1: up, 2: up[:, ::-1], 3: up[::-1, ::-1], 4: up[::-1],
              5: up.T, 6: up.T[::-1], 7: up.T[::-1, ::-1], 8: up.T[:, ::-1]}
    for orientation, pixels in stored.items():
        name = f"exif{orientation}.jpg"
        body = b"Exif\0\0" + tiff(orientation, orientation % 2 == 0)
        Image.fromarray(np.ascontiguousarray(pixels)).save(
            OUT / name, quality=100, exif=body)
        keep(name, up)


def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(name, rows, depth, color, extra=b""):
    """A PNG made by hand: `rows` are packed scanlines, filter 0."""
    height = len(rows)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    width = len(rows[0]) * 8 // (depth * channels)
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(r) for r in rows))
    (OUT / name).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
        + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def over_white(pixels, alpha):
    alpha = alpha[..., None].astype(float) / 255
    return np.rint(pixels * alpha + 255 * (1 - alpha))


def pngs():
    rgb = scene()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    alpha = (255 * (x + y) / (WIDTH + HEIGHT)).astype(np.uint8)
    alpha[:4], alpha[-4:] = 0, 255
    gray = rgb[..., 1]
    Image.fromarray(rgb).save(OUT / "rgb.png")
    keep("rgb.png", rgb)
    Image.fromarray(np.dstack([rgb, alpha])).save(OUT / "rgba.png")
    keep("rgba.png", over_white(rgb, alpha))
    Image.fromarray(gray).save(OUT / "gray.png")
    keep("gray.png", gray)
    Image.fromarray(np.dstack([gray, alpha]), "LA").save(OUT / "graya.png")
    keep("graya.png", over_white(gray[..., None], alpha))
    palette = Image.fromarray(rgb).quantize(16)
    palette.save(OUT / "palette.png")
    keep("palette.png", palette.convert("RGB"))
    palette.save(OUT / "palettet.png", transparency=3)
    clear = np.asarray(palette) == 3
    keep("palettet.png", np.where(clear[..., None], 255,
                                  np.asarray(palette.convert("RGB"))))
    wide = rgb.astype(int) * 257 - rgb // 3
    png("rgb16.png", [r.astype(">u2").tobytes() for r in wide.clip(0)], 16, 2)
    keep("rgb16.png", np.rint(wide.clip(0) / 257))
    wide = gray.astype(int) * 251 + 7
    png("gray16.png", [r.astype(">u2").tobytes() for r in wide], 16, 0)
    keep("gray16.png", np.rint(wide / 257))
    bits = np.kron([[1, 0, 1, 0]] * 3, np.ones((4, 4))).astype(np.uint8)
    png("bit.png", [np.packbits(r) for r in bits], 1, 0)
    keep("bit.png", bits * 255)
    up = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    png("exif6.png", [bytes(r) for r in up.T[::-1]], 8, 0,
        chunk(b"eXIf", tiff(6, True)))
    keep("exif6.png", up)


def interlaced():
    """Adam7 by hand: seven passes, each an own small picture."""
    rgb = scene()
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4),
              (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for y, x, down, right in passes:
        for row in rgb[y::down, x::right]:
            rows += b"\0" + row.tobytes() if row.size else b""
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    (OUT / "adam7.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    keep("adam7.png", rgb)


def ppms():
    rgb = scene()
    size = b"%d %d" % (WIDTH, HEIGHT)
    (OUT / "rgb.ppm").write_bytes(b"P6\n" + size + b"\n255\n" + rgb.tobytes())
    keep("rgb.ppm", rgb)
    gray = rgb[..., 1]
    (OUT / "gray.pgm").write_bytes(
        b"P5 # a comment 9 9\n# another\n" + size + b"\n255\n"
        + gray.tobytes())
    keep("gray.pgm", gray)
    wide = rgb.astype(int) * 3
    (OUT / "max765.ppm").write_bytes(
        b"P6 " + size + b" 765\n" + wide.astype(">u2").tobytes())
    keep("max765.ppm", rgb)
    low = gray // 64
    (OUT / "max3.pgm").write_bytes(b"P5 " + size + b" 3\n" + low.tobytes())
    keep("max3.pgm", low * 85)


def resized():
    """Pillow's BILINEAR of scene(), whole and as the reference crops."""
    picture = Image.fromarray(scene())
    for width, height in ((12, 9), (29, 5), (64, 48), (7, 40)):
        keep(f"stretch{width}x{height}",
             picture.resize((width, height), Image.BILINEAR))
    for side in (8, 14, 28):
        target = round(side / 0.875)
        size = (int(WIDTH * (target / HEIGHT)), target)
        left, top = round((size[0] - side) / 2), round((target - side) / 2)
        keep(f"crop{side}", picture.resize(size, Image.BILINEAR).crop(
            (left, top, left + side, top + side)))
    ratio = min(20 / WIDTH, 20 / HEIGHT)
    box = Image.new("RGB", (20, 20), (114, 114, 114))
    box.paste(picture.resize((int(WIDTH * ratio), int(HEIGHT * ratio)),
                             Image.BILINEAR))
    keep("letterbox20", box)


def main():
    OUT.mkdir(exist_ok=True)
    jpegs()
    exif_jpegs()
    pngs()
    interlaced()
    ppms()
    resized()


if __name__ == "__main__":
    main()
