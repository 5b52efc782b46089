"""Photographs by the thousand: what it costs to decode them once, to hold them, and to begin a second trial.

`python -m benchmarks.pictures` makes 50,000 pictures of 500 pixels (3 GB in the cache folder, some minutes), and prints
seconds by one core and by all, by turns; the most memory of any process of a trial; the start-up of a second trial
beside that on a small set; and how long `lab2 inspect` takes on what is decoded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track

from lab2.cache import cache_folder
from lab2.launch.environment import ALLOCATION
from lab2.measure.cores import available_cores

SIDE, DECODED = 500, 224  # pixels
CLASSES = ("bark", "cloud", "leaf", "sand", "water")
HELD_OUT = 11  # one in so many is for testing; no multiple of the classes, or all were of one class
FEW = 1000  # pictures of the set beside which the large one is measured

console = Console(highlight=False)


def pictures(count: int) -> Path:
    """A folder of `count` JPEG photographs of noise, blurred and coloured by class; made where it is not there."""
    folder = cache_folder() / "benchmarks" / f"pictures-{count}"
    if not folder.is_dir():
        made = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(made, ignore_errors=True)
        for part in ("train", "test"):
            for name in CLASSES:
                (made / part / name).mkdir(parents=True)
        places = [made / ("train" if i % HELD_OUT else "test") / CLASSES[i % len(CLASSES)] for i in range(count)]
        with ProcessPoolExecutor(available_cores()) as pool:
            found = pool.map(_picture, places, range(count), chunksize=100)
            for _ in track(found, f"making {count} pictures", total=count, console=console):
                pass
        made.rename(folder)
    return folder


def _picture(folder: Path, number: int) -> None:
    generator = np.random.default_rng(number)
    coarse = generator.integers(256, size=(25, 25, 3), dtype=np.uint8)
    coarse[..., number % 3] //= 2
    picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    grain = Image.fromarray(generator.integers(256, size=(SIDE, SIDE), dtype=np.uint8)).convert("RGB")
    blurred = grain.filter(ImageFilter.BoxBlur(1 + number % len(CLASSES)))
    Image.blend(picture, blurred, 0.3).save(folder / f"{number:06}.jpg", quality=85)


def lab2(*words: str, cache: Path, cores: Sequence[int] | None = None) -> tuple[float, float]:
    """Run a command of lab2; its seconds, and the most GiB that one of its processes had in memory at once."""
    environment = {**os.environ, **ALLOCATION, "LAB2_CACHE": str(cache)}
    command = [sys.executable, "-m", "lab2.cli", *words]
    if cores is not None:
        command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    most = [0.0]
    watcher = threading.Thread(target=_watch, args=(process, most))
    watcher.start()
    said, _ = process.communicate()
    watcher.join()
    if process.returncode:
        console.print(said, markup=False)
        raise typer.Exit(1)
    return time.perf_counter() - began, most[0]


def _watch(process: subprocess.Popen[str], most: list[float]) -> None:
    while process.poll() is None:
        most[0] = max([most[0], *(_peak(pid) for pid in _descendants(process.pid))])
        time.sleep(0.1)


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _descendants(int(child))


def _peak(pid: int) -> float:
    """GiB that the process had in memory at once so far."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM")), 0.0)


def main(
    count: Annotated[int, typer.Option(help="Pictures of the large set.")] = 50_000,
    sample: Annotated[int, typer.Option(help="Pictures that are decoded by one core and by all.")] = 10_000,
    repeats: Annotated[int, typer.Option(help="How often, by turns.")] = 2,
) -> None:
    """Measure what a large set of pictures costs."""
    side = ("--set", f"data.image_side={DECODED}")
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab2-pictures-", dir=cache_folder()) as scratch:
        some = str(pictures(sample))
        seconds: dict[str, list[float]] = {"one": [], "all": []}
        for number in range(repeats):
            for name, cores in (("one", [0]), ("all", None)):
                cache = Path(scratch, f"{name}{number}")
                took, most = lab2("inspect", some, *side, cache=cache, cores=cores)
                seconds[name].append(took)
                console.print(f"{sample} pictures decoded and inspected by {name}: {took:.1f} s, {most:.2f} GiB")
        again, _ = lab2("inspect", some, *side, cache=cache)
        console.print(f"inspected once decoded: {again:.1f} s")
        ratio = float(np.median(seconds["one"]) / np.median(seconds["all"]))
        console.print(f"one core over {available_cores()}: {ratio:.2f}")
        cache = Path(scratch, "trials")
        for name, folder in (("small", pictures(FEW)), ("large", pictures(count))):
            for attempt in ("first", "second"):
                runs = Path(scratch, f"{name}-{attempt}")
                words = ("run-local", "--jobs", "cnn", "--no-baselines", "--dataset", str(folder), *side)
                few = ("--set", "train.budget=2000-images", "--set", "train.batch_size=32")
                took, most = lab2(*words, *few, "--runs", str(runs), cache=cache)
                (shard,) = runs.glob("latest/shards/*.json")
                row = json.loads(shard.read_text())["row"]
                console.print(
                    f"{name}, {attempt} trial: {took:.1f} s in all, {row['startup_seconds']:.1f} s before its first "
                    f"step, {most:.2f} GiB the largest process"
                )


if __name__ == "__main__":
    typer.run(main)
