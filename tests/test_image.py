"""The image, built from the real Dockerfile and run for real: `make test-image` builds it and runs these."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from lab2.results.run_dir import open_run
from lab2.results.shard import read_shard

IMAGE = os.environ.get("LAB2_TEST_IMAGE", "")
ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(not IMAGE, reason="LOUD: the image is built and tested by `make test-image`"),
]

TINY = [
    *("--set", "data.train_images=120", "--set", "data.validation_images=40", "--set", "data.test_images=40"),
    *("--set", "train.batch_size=20", "--set", "train.epochs=1", "--set", "faster_rcnn:model.test_scenes=20"),
]


def podman(*words: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """As a user runs a container; what this machine's kernel wants besides is in the first line."""
    limits = ("--runtime", "runc", "run", "--rm", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")
    done = subprocess.run(["podman", *limits, *words], capture_output=True, text=True, check=False, timeout=280)
    assert check is None or done.returncode == check, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def inside(script: str) -> str:
    """What a shell in the image says."""
    return podman("--network", "none", "--user", "0", "--entrypoint", "sh", IMAGE, "-c", script).stdout


def test_doctor_finds_the_image_whole():
    said = podman("--network", "none", IMAGE, "doctor").stdout
    assert "mnist" in said
    assert "image" in said


def test_five_rows_come_out_and_the_files_are_the_callers(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    os.chown(tmp_path / "runs", 4321, 4321)
    done = podman(
        "--read-only", "--network", "none", "--user", "4321:4321", "--volume", f"{tmp_path}/runs:/work/runs",
        IMAGE, "run-local", *TINY,
    )  # fmt: skip
    run = open_run(tmp_path / "runs", "latest")
    rows = list(csv.DictReader((run.report / "table.csv").open()))
    assert [row["status"] for row in rows] == ["ok"] * 5, done.stdout
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in run.path.rglob("*")}
    assert owners == {(4321, 4321)}
    shard = read_shard(run.shard("cnn-seed1"))
    assert shard.git_commit
    assert shard.git_dirty is False


def test_no_tool_for_building_and_nothing_of_root_that_others_may_write():
    found = inside(
        "for tool in pip gcc cc make ld git; do command -v $tool; done; "
        "find / -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /var/tmp -o -path /dev -o -path /run \\) "
        "-prune -o -user 0 -perm -o+w ! -type l ! -type c -print; find / -xdev -name '*.whl' -o -xdev -path '*/.cache/pip'"
    )
    assert found.strip() == ""


def test_the_bill_of_materials_lists_what_is_there():
    bill = json.loads(inside("cat /opt/lab2/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    names = {part["name"]: part["version"] for part in bill["components"]}
    assert names["torch"].startswith("2.")
    assert "numpy" in names


def test_the_labels_say_what_it_is():
    said = subprocess.run(["podman", "image", "inspect", IMAGE], capture_output=True, text=True, check=True).stdout
    labels = json.loads(said)[0]["Labels"]
    assert labels["org.opencontainers.image.title"] == "lab2"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert len(labels["org.opencontainers.image.revision"]) == 40


class TestWrapper:
    WRAPPER = ROOT / "slurm" / "containers" / "in-image"

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.WRAPPER), *words], capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, **environment},
        )  # fmt: skip

    def test_an_image_that_is_not_there_is_one_sentence(self, tmp_path: Path):
        done = self.call("podman", "localhost/none:at-all", str(tmp_path), "-V")
        assert done.returncode == 2
        assert "has no such image" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_a_run_directory_that_is_not_there_is_one_sentence(self):
        done = self.call("podman", IMAGE, "/no/such/runs", "-V")
        assert done.returncode == 2
        assert "must lie on a file system that all nodes share" in done.stderr

    def test_python_in_the_image_sees_the_digest_and_the_jobs_variables(self, tmp_path: Path):
        code = "import os; print(os.environ['LAB2_IMAGE_DIGEST'], os.environ['SLURM_JOB_ID'], 'HOME' in os.environ)"
        done = self.call(
            "podman", IMAGE, str(tmp_path), "-c", code,
            SLURM_JOB_ID="7", LAB2_CONTAINER_OPTIONS="--ulimit nofile=20000:20000 --ulimit nproc=4096:4096",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        digest, job, _ = done.stdout.split()
        assert digest.startswith("sha256:")
        assert job == "7"
