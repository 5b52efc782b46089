"""Tiny data sets with boxes, as COCO, Pascal VOC and YOLO have them: grey pictures with a red and a blue rectangle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lab2.data.places import open_source
from lab2.data.source import Images, Source
from lab2.spec.job import DataConfig

Shape = tuple[str, tuple[int, int, int, int]]  # name and corners, x2 and y2 exclusive

WIDTH, HEIGHT = 40, 20
COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}
SIDE = 20  # of the letter-boxed pictures: half as large, in 5 rows of padding
# Of two rectangles the red one is larger in even pictures. By hand: half of each corner, and 5 more rows.
EVEN: list[Shape] = [("blue", (2, 2, 10, 10)), ("red", (16, 4, 36, 16))]
ODD: list[Shape] = [("blue", (2, 2, 22, 18)), ("red", (30, 8, 38, 12))]
EVEN_BOXES, ODD_BOXES = [[1, 6, 5, 10], [8, 7, 18, 13]], [[1, 6, 11, 14], [15, 9, 19, 11]]
PARTS = {"train": 8, "val": 4, "test": 4}


def shapes(number: int) -> list[Shape]:
    return ODD if number % 2 else EVEN


def draw(path: Path, number: int) -> None:
    """The picture of that number; its grey tells it from others."""
    pixels = np.full((HEIGHT, WIDTH, 3), 100 + number, np.uint8)
    for name, (x1, y1, x2, y2) in shapes(number):
        pixels[y1:y2, x1:x2] = COLOURS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def numbered(part: str) -> Sequence[int]:
    """The numbers of the pictures of a part."""
    first = sum(count for name, count in PARTS.items() if list(PARTS).index(name) < list(PARTS).index(part))
    return range(first, first + PARTS[part])


def coco_content(numbers: Sequence[int]) -> dict[str, Any]:
    """What COCO's file states of those pictures."""
    boxes = [(number, name, corners) for number in numbers for name, corners in shapes(number)]
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in numbers],
        "categories": [{"id": 7, "name": "red"}, {"id": 3, "name": "blue"}],
        "annotations": [
            {
                "id": 100 + place,
                "image_id": number,
                "category_id": {"red": 7, "blue": 3}[name],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0,
            }
            for place, (number, name, (x1, y1, x2, y2)) in enumerate(boxes)
        ],
    }


def make_coco(root: Path) -> Path:
    """annotations/instances_train.json and images/train/, and so on."""
    (root / "annotations").mkdir(parents=True)
    for part in PARTS:
        (root / f"annotations/instances_{part}.json").write_text(json.dumps(coco_content(numbered(part))))
        for number in numbered(part):
            draw(root / "images" / part / f"{number}.png", number)
    return root


def yolo_line(name: str, corners: tuple[int, int, int, int]) -> str:
    x1, y1, x2, y2 = corners
    middle = (x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT
    return " ".join(map(str, (["blue", "red"].index(name), *middle, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT)))


def make_yolo(root: Path, *, roboflow: bool = False) -> Path:
    """images/train/ and labels/train/, or train/images/ and train/labels/, and so on."""
    for part in PARTS:
        for number in numbered(part):
            images, labels = (f"{part}/images", f"{part}/labels") if roboflow else (f"images/{part}", f"labels/{part}")
            draw(root / images / f"{number}.png", number)
            (root / labels).mkdir(parents=True, exist_ok=True)
            text = "\n".join(yolo_line(*shape) for shape in shapes(number))
            (root / labels / f"{number}.txt").write_text(text + "\n")
    (root / "data.yaml").write_text("train: ../train/images  # not looked at\nnc: 2\nnames: ['blue', \"red\"]\n")
    return root


def voc_object(name: str, corners: tuple[int, int, int, int], more: str = "") -> str:
    x1, y1, x2, y2 = corners  # VOC counts from 1, and its last pixel is inside
    box = f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


def voc_text(number: int, more: str = "") -> str:
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(voc_object(*shape) for shape in shapes(number))}{more}</annotation>"


def make_voc(root: Path) -> Path:
    """Annotations/, JPEGImages/ (of PNG, so that colours are exact) and ImageSets/Main/."""
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for part in PARTS:
        for number in numbered(part):
            draw(root / "JPEGImages" / f"{number}.png", number)
            (root / f"Annotations/{number}.xml").write_text(voc_text(number))
        lines = "".join(f"{number}\n" for number in numbered(part))
        (root / f"ImageSets/Main/{part}.txt").write_text(lines)
    return root


def config(folder: Path, **more: Any) -> DataConfig:
    return DataConfig(dataset=str(folder), image_side=SIDE, **more)


def opened(folder: Path, **more: Any) -> Source:
    return open_source(config(folder, **more))


def boxes_of(images: Images) -> list[tuple[list[list[float]], list[int]]]:
    assert images.objects is not None
    return [(one.boxes.tolist(), one.labels.tolist()) for one in images.objects]
