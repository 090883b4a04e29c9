#!/usr/bin/python3
"""Draws the demo's pictures: one simple thing each, in any colour and size,
on a background with a gradient, clutter and noise.

    draw.py --out images --expected expected.tsv
    draw.py --out pictures/train --each 500 --seed 1

writes the pictures the repository ships; or, to train from, so many of each
thing, a folder for each. Needs python3-numpy and python3-pil.
"""

import argparse
import math
import pathlib

import numpy as np
from PIL import Image, ImageDraw

LABELS = ["circle", "square", "triangle", "star", "cross", "ring", "heart",
          "moon", "arrow up", "arrow right", "arrow down", "arrow left"]

FINE = 3  # outlines are drawn this much larger, for smooth edges


def around(n, radius=1.0, start=0.0):
    """n points on a circle, clockwise from `start` (0 is up), in degrees."""
    turns = [math.radians(start + 360.0 * i / n) for i in range(n)]
    return [(radius * math.sin(t), -radius * math.cos(t)) for t in turns]


def star():
    inner = around(5, 0.42, 36)
    return [p for pair in zip(around(5), inner) for p in pair]


def cross(arm):
    corners = [(arm, 1), (arm, arm), (1, arm)]
    quarter = [(x, -y) for x, y in corners]
    points = []
    for turn in range(4):
        for x, y in quarter:
            for _ in range(turn):
                x, y = -y, x
            points.append((x, y))
    return points


def heart():
    points = []
    for i in range(60):
        t = math.tau * i / 60
        x = math.sin(t) ** 3
        y = (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t)
             - math.cos(4 * t)) / 16
        points.append((x, -y - 0.1))
    return points


def arrow(rng):
    stem = rng.uniform(0.16, 0.3)
    neck = rng.uniform(-0.2, 0.1)
    wing = rng.uniform(0.65, 0.85)
    return [(0, -1), (wing, neck), (stem, neck), (stem, 1), (-stem, 1),
            (-stem, neck), (-wing, neck)]


def outline(rng, label):
    """(points of the outline, points of what is cut out of it or None) in a
    square of -1..1, y downwards."""
    if label == "circle":
        return around(60), None
    if label == "square":
        return around(4, 1.0, 45), None
    if label == "triangle":
        return around(3), None
    if label == "star":
        return star(), None
    if label == "cross":
        return cross(rng.uniform(0.24, 0.36)), None
    if label == "ring":
        return around(60), around(60, rng.uniform(0.5, 0.7))
    if label == "heart":
        return heart(), None
    if label == "moon":
        cut = rng.uniform(0.4, 0.6)
        return around(60), [(x + cut, y) for x, y in around(60, 0.9)]
    return arrow(rng), None


def turn_of(rng, label):
    """Things may stand on their head, but an arrow's name says where it
    points, so it leans only a little."""
    heading = {"arrow up": 0, "arrow right": 90, "arrow down": 180,
               "arrow left": 270}
    if label in heading:
        return heading[label] + rng.uniform(-22, 22)
    return rng.uniform(0, 360)


def color_pair(rng):
    """Two colours that the eye tells apart."""
    while True:
        a, b = rng.uniform(0, 255, (2, 3))
        if abs(float(np.dot(a - b, (0.299, 0.587, 0.114)))) > 50:
            return a, b


def gradient(rng, color, width, height):
    """`color`, a little lighter on one side and darker on the other."""
    angle = rng.uniform(0, math.tau)
    y, x = np.mgrid[0:height, 0:width]
    slope = (math.cos(angle) * (x / width - 0.5)
             + math.sin(angle) * (y / height - 0.5))
    return color + slope[..., None] * rng.uniform(0, 60)


def clutter(rng, image, color):
    """A few thin lines and specks, paler than the thing itself."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(rng.integers(0, 5)):
        shade = tuple(int(v) for v in
                      np.clip(color + rng.uniform(-35, 35, 3), 0, 255))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        dx, dy = rng.uniform(-0.3, 0.3, 2) * (width, height)
        draw.line((x, y, x + dx, y + dy), fill=shade,
                  width=1 + min(width, height) // 60)


def mask_of(rng, label, width, height):
    """How much of each pixel the thing covers, 0..255. It lies within the
    middle square, which is what a centre crop leaves."""
    side = min(width, height)
    radius = side * rng.uniform(0.24, 0.38)
    room = side * 0.42 - radius
    cx = width / 2 + rng.uniform(-1, 1) * max(room, 0)
    cy = height / 2 + rng.uniform(-1, 1) * max(room, 0)
    angle = math.radians(turn_of(rng, label))
    points, hole = outline(rng, label)

    def place(p):
        x = p[0] * math.cos(angle) - p[1] * math.sin(angle)
        y = p[0] * math.sin(angle) + p[1] * math.cos(angle)
        return FINE * (cx + radius * x), FINE * (cy + radius * y)

    mask = Image.new("L", (width * FINE, height * FINE))
    draw = ImageDraw.Draw(mask)
    draw.polygon([place(p) for p in points], fill=255)
    if hole is not None:
        draw.polygon([place(p) for p in hole], fill=0)
    return mask.resize((width, height), Image.BOX)


def draw_picture(rng, label, width, height):
    """An RGB picture of `label`."""
    front, back = color_pair(rng)
    mask = np.asarray(mask_of(rng, label, width, height), np.float32) / 255
    ground = gradient(rng, back, width, height)
    ground = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    clutter(rng, ground, back)
    ground = np.asarray(ground, np.float32)
    thing = gradient(rng, front, width, height)
    mixed = ground + (thing - ground) * mask[..., None]
    mixed += rng.normal(0, rng.uniform(0, 12), mixed.shape)
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def draw_cutout(rng, label, width, height):
    """The thing alone, on nothing: RGBA."""
    color = tuple(int(v) for v in rng.uniform(0, 150, 3))
    picture = Image.new("RGBA", (width, height), color + (0,))
    picture.putalpha(mask_of(rng, label, width, height))
    return picture


# What the repository ships: file, label, size, and how it is stored, so that
# the demo also shows that photographs of every kind just work.
SHIPPED = [
    ("circle_1.png", "circle", (128, 128), "rgb"),
    ("square_1.jpg", "square", (160, 120), "rgb"),
    ("square_2.png", "square", (96, 96), "palette"),
    ("triangle_1.png", "triangle", (120, 160), "rgb"),
    ("star_1.jpg", "star", (320, 240), "rgb"),
    ("star_2.png", "star", (150, 150), "cutout"),
    ("cross_1.jpg", "cross", (200, 200), "gray"),
    ("ring_1.png", "ring", (96, 96), "rgb"),
    ("heart_1.jpg", "heart", (240, 180), "progressive"),
    ("heart_2.png", "heart", (64, 64), "gray"),
    ("moon_1.jpg", "moon", (180, 240), "rgb"),
    ("moon_2.png", "moon", (130, 100), "rgb"),
    ("arrow_up_1.jpg", "arrow up", (192, 192), "rgb"),
    ("arrow_up_2.jpg", "arrow up", (192, 128), "camera on its side"),
    ("arrow_right_1.png", "arrow right", (128, 96), "rgb"),
    ("arrow_down_1.jpg", "arrow down", (320, 200), "rgb"),
    ("arrow_left_1.png", "arrow left", (100, 140), "rgb"),
    ("arrow_left_2.jpg", "arrow left", (220, 160), "camera upside down"),
]


def save(picture, path, kind):
    options = {"quality": 88} if path.suffix == ".jpg" else {"optimize": True}
    if kind == "gray":
        picture = picture.convert("L")
    elif kind == "palette":
        picture = picture.quantize(64)
    elif kind == "progressive":
        options["progressive"] = True
    elif kind.startswith("camera"):
        # Stored as the sensor saw it; EXIF tells how to turn it back.
        side = kind == "camera on its side"
        turn = Image.ROTATE_90 if side else Image.ROTATE_180
        picture = picture.transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = 6 if side else 3
        options["exif"] = exif
    picture.save(path, **options)


def draw_shipped(args):
    lines = []
    for i, (name, label, size, kind) in enumerate(SHIPPED):
        rng = np.random.default_rng([args.seed, i])
        make = draw_cutout if kind == "cutout" else draw_picture
        save(make(rng, label, *size), args.out / name, kind)
        lines.append(f"{name}\t{label}\n")
    args.expected.write_text("".join(lines))


def draw_one(rng, label, folder, name):
    """To train from: of any size; a few on nothing, a few gray."""
    width, height = (int(v) for v in rng.integers(64, 160, 2))
    if max(width, height) > 2 * min(width, height):
        width = height
    kind = rng.uniform()
    if kind < 0.05:
        picture = draw_cutout(rng, label, width, height)
        save(picture, folder / (name + ".png"), "cutout")
        return
    picture = draw_picture(rng, label, width, height)
    save(picture, folder / (name + ".jpg"), "gray" if kind < 0.1 else "rgb")


def draw_each(args):
    for k, label in enumerate(LABELS):
        folder = args.out / label
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(args.each):
            rng = np.random.default_rng([args.seed, i * len(LABELS) + k])
            draw_one(rng, label, folder, f"{i:05}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--expected", type=pathlib.Path)
    parser.add_argument("--each", type=int)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    if (args.each is None) == (args.expected is None):
        parser.error("either --expected or --each")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.each is None:
        draw_shipped(args)
    else:
        draw_each(args)


if __name__ == "__main__":
    main()
