"""The image, built from the real Dockerfile and run for real: `make test-image` builds it and runs these."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lab2.launch.container import wrapper
from lab2.launch.submission import read_submissions
from lab2.results.run_dir import RunDir, open_run
from lab2.results.shard import read_shard
from tests.conftest import PATIENCE_S
from tests.paced import PACED
from tests.slurm_cluster import (
    FEW,
    LONG,
    SMALL_JOB,
    all_ended,
    cluster_of,
    deep_in_training,
    slurm,
    submit,
    wait_until,
)
from tests.slurm_cluster import write_profile as write_slurm_profile
from tests.test_local import ALONE, SUBMIT, TINY_JOBS, children, command, lab2, write_jobs

IMAGE = os.environ.get("LAB2_TEST_IMAGE", "")
FOREIGN = "localhost/lab2-base:bookworm"
ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.image,
    pytest.mark.skipif(not IMAGE, reason="LOUD: the image is built and tested by `make test-image`"),
]

# What this kind of machine wants of podman: runc, and limits that its root may set.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
"""
TINY = [word for setting in (*FEW, "train.batch_size=20", "train.epochs=1") for word in ("--set", setting)]
TINY += ["--set", "faster_rcnn:model.test_scenes=20"]


@pytest.fixture(scope="module", autouse=True)
def containers_conf(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("podman") / "containers.conf"
    path.write_text(CONTAINERS_CONF)
    os.environ["CONTAINERS_CONF"] = str(path)
    return path


def podman(*words: str) -> str:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def git(*words: str, check: bool = True) -> str:
    """What git says of the tree that the image was built from."""
    return subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=check).stdout.strip()


def run_in_image(*words: str) -> str:
    return podman("run", "--rm", "--network", "none", *words)


def inside(script: str) -> str:
    """What a shell of root in the image says."""
    return run_in_image("--user", "0", "--entrypoint", "sh", IMAGE, "-c", script)


def image_id(name: str) -> str:
    return f"sha256:{podman('image', 'inspect', '--format', '{{.Id}}', name).strip()}"


def owners(run: RunDir) -> set[tuple[int, int]]:
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in run.path.rglob("*")}


class TestContent:
    def test_doctor_finds_it_whole(self):
        said = run_in_image("--read-only", IMAGE, "doctor")
        assert "packages and lab2's files as they were built" in said
        assert "no  image" not in said

    def test_doctor_names_what_was_changed(self):
        changed = "/opt/lab2/code/lab2/trial.py"
        script = f"echo >> {changed}; /opt/lab2/venv/bin/python -m lab2.cli doctor || echo code $?"
        said = inside(script)
        assert "not as built: lab2/trial.py" in said
        assert "code 1" in said

    def test_no_tool_for_building_no_cache_and_nothing_of_root_that_others_may_write(self):
        found = inside(
            "for tool in pip pip3 gcc cc g++ make ld as git curl wget; do command -v $tool; done; "
            "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune "
            "-o -user 0 -perm -o+w ! -type l ! -perm -1000 -print; "
            "find / -xdev ( -name '*.whl' -o -path '*/.cache/pip*' -o -path '/var/lib/apt/lists/?*' ) -print"
            "".replace("( ", r"\( ").replace(" )", r" \)")
        )
        assert found.strip() == ""

    def test_all_that_torch_links_is_there(self):
        """Beside the driver and the libraries of network cards, which come from the host."""
        missing = inside(
            "cd /opt/lab2/venv/lib/python3.11/site-packages; export LD_LIBRARY_PATH="
            "$(ls -d $PWD/nvidia/*/lib $PWD/torch/lib | tr '\\n' :); "
            "for file in torch/lib/*.so* torchvision/*.so nvidia/cu13/lib/*.so* nvidia/cudnn/lib/*.so*; do "
            "ldd $file 2>/dev/null | grep 'not found'; done | sort -u"
        )
        wanted = {line.split()[0] for line in missing.splitlines()}
        assert wanted <= {"libcuda.so.1", "librdmacm.so.1", "libibverbs.so.1", "libmlx5.so.1"}

    def test_the_bill_of_materials_lists_what_is_there(self):
        bill = json.loads(inside("cat /opt/lab2/sbom.cdx.json"))
        assert bill["bomFormat"] == "CycloneDX"
        names = {part["name"]: part["version"] for part in bill["components"]}
        locked = dict(line.split()[0].split("==") for line in (ROOT / "requirements.lock").open() if "==" in line)
        assert [names[name] for name in ("torch", "torchvision")] == [locked["torch"], locked["torchvision"]]

    def test_the_labels_say_what_it_is(self):
        labels = json.loads(podman("image", "inspect", IMAGE))[0]["Labels"]
        at = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
        assert (at["title"], at["licenses"]) == ("lab2", "MIT")
        remote = git("config", "--get", "remote.origin.url", check=False)  # there may be none
        assert at["source"].rpartition("@")[2] == remote.rpartition("@")[2]
        assert at["revision"].removesuffix("-dirty") == git("rev-parse", "HEAD")
        assert inside("echo $LAB2_COMMIT").strip() == at["revision"]
        assert at["version"] == lab2("--version").stdout.split()[-1]


def test_five_rows_come_out_on_a_read_only_root_as_any_user_without_a_network(runs: Path):
    runs.mkdir()
    os.chown(runs, 4321, 4321)
    said = run_in_image("--read-only", "--user", "4321:4321", "--volume", f"{runs}:/work/runs", IMAGE, *ALONE, *TINY)
    run = open_run(runs, "latest")
    rows = list(csv.DictReader((run.report / "table.csv").open()))
    assert [row["status"] for row in rows] == ["ok"] * 5, said
    assert owners(run) == {(4321, 4321)}
    assert len(read_shard(run.shard("cnn-seed1")).git_commit or "") == 40


def test_two_archives_under_one_name_are_two_images_and_each_is_loaded_once(tmp_path: Path):
    """Small ones with lab2's label: that nothing in them is a python does not matter here."""
    (tmp_path / "runtime").mkdir()
    ids = []
    for number in "12":
        made = subprocess.check_output(["buildah", "from", FOREIGN], text=True).strip()
        labels = ["--label", "org.opencontainers.image.title=lab2", "--label", f"number={number}"]
        subprocess.run(["buildah", "config", *labels, made], check=True)
        subprocess.run(["buildah", "commit", "--quiet", "--rm", made, "localhost/lab2-small:1"], check=True)
        podman("save", "--quiet", "--output", f"{tmp_path}/{number}.tar", "localhost/lab2-small:1")
        ids.append(image_id("localhost/lab2-small:1"))
        podman("image", "rm", "--force", "localhost/lab2-small:1")
    for number in "121":
        words = [str(wrapper()), "podman", f"{tmp_path}/{number}.tar", str(tmp_path), "--", "-V"]
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment)
        assert done.returncode in (126, 127), done.stderr  # the image was found; it has no /work, and no python
    stamps = {f"sha256:{stamp.read_text().strip()}" for stamp in (tmp_path / "runtime").glob("lab2-image-*")}
    podman("image", "rm", "--force", *ids)
    assert stamps == set(ids)


def test_make_run_local_leaves_the_same_runs_on_the_host(tmp_path: Path):
    """As a user of a checkout types it; here with a job folder of their own."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "slurm", checkout / "slurm", ignore=shutil.ignore_patterns("testcluster"))
    shutil.copy(ROOT / "Makefile", checkout)
    write_jobs(checkout / "mine", {"a_cnn": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    words = ["make", "run-local", f"IMAGE={IMAGE}", "ENGINE=podman", "JOBS=mine/", "QUICK=1"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    run = open_run(checkout / "runs", "latest")
    assert owners(run) == {(os.getuid(), os.getgid())}
    shard = read_shard(run.shard("a_cnn-seed1"))
    assert (shard.status, shard.image_digest) == ("ok", image_id(IMAGE)), shard.reason


def test_make_run_local_reads_jobs_and_pictures_that_lie_elsewhere(tmp_path: Path, image_folder: Path):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "it's else where"
    shutil.copytree(ROOT / "slurm", checkout / "slurm", ignore=shutil.ignore_patterns("testcluster"))
    shutil.copy(ROOT / "Makefile", checkout)
    elsewhere.mkdir()
    pictures = image_folder.rename(elsewhere / "My Pictures")
    jobs = write_jobs(elsewhere / "my jobs", {"a_cnn": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
    words = ["make", "run-local", f"IMAGE={IMAGE}", "ENGINE=podman", f"JOBS={jobs}", f"DATASET={pictures}"]
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    shard = read_shard(open_run(checkout / "runs", "latest").shard("a_cnn-seed1"))
    assert (shard.status, shard.dataset) == ("ok", str(pictures)), shard.reason


class TestWrapper:
    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(wrapper()), *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S,
            env={**os.environ, **environment},
        )  # fmt: skip

    def test_the_jobs_variables_come_along_and_others_do_not(self, tmp_path: Path):
        code = "import os; print(os.environ['SLURM_JOB_ID'], os.environ.get('SECRET'), os.environ['LAB2_CACHE'])"
        done = self.call("podman", IMAGE, str(tmp_path), "--", "-c", code, SLURM_JOB_ID="7", SECRET="x")
        assert done.stdout.split() == ["7", "None", "/cache"], done.stderr

    def test_a_runs_folder_that_cannot_be_mounted_is_one_sentence(self, tmp_path: Path):
        done = self.call("podman", IMAGE, f"{tmp_path}/none", "--", "-V")
        assert done.returncode == 78
        assert "must lie on a file system that all nodes share" in done.stderr


class TestOnSlurm:
    """The image in the jobs of a real Slurm."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def cluster(cls, tmp_path_factory):
        yield from cluster_of(tmp_path_factory.mktemp("slurm"))

    def profile(self, folder: Path, image: str) -> str:
        conf = os.environ["CONTAINERS_CONF"]
        more = f'container = "podman"\nimage = "{image}"\nsetup = ["export CONTAINERS_CONF={conf}"]'
        return write_slurm_profile(folder, more=more)

    def test_preempted_in_mid_epoch_it_ends_with_the_bits_of_a_trial_outside(self, tmp_path: Path, runs: Path):
        jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=12, resources=SMALL_JOB)
        settings = [word for setting in LONG for word in ("--set", setting)]
        outside = tmp_path / "outside"
        profile = self.profile(tmp_path, IMAGE)
        said = lab2(*SUBMIT, "--profile", profile, "--jobs", jobs, *settings, "--runs", str(runs), "--dry-run").stdout
        assert "on a node like this machine that runs: podman run --rm --read-only --network none" in said
        run = submit(tmp_path, runs, jobs, LONG, "--rerun", profile=profile)
        wait_until(run, lambda _: deep_in_training(run, "long-seed1"))
        slurm("sbatch", "-p", "urgent", "-N3", "--exclusive", "--output=/dev/null", "--wrap", "sleep 3")
        now = wait_until(run, lambda now: now.trials[0].state == "queued")
        assert "goes on after an interruption" in now.trials[0].reason
        wait_until(run, all_ended)
        shard = read_shard(run.shard("long-seed1"))
        assert (shard.status, shard.attempts, shard.image_digest) == ("ok", 2, image_id(IMAGE)), shard.reason
        plain = submit(tmp_path, outside, jobs, LONG, "--rerun")
        wait_until(plain, all_ended)
        assert read_shard(plain.shard("long-seed1")).image_digest is None
        assert run.predictions("long-seed1").read_bytes() == plain.predictions("long-seed1").read_bytes()

    def test_a_container_ends_with_its_client_and_resume_goes_on(self, tmp_path: Path, runs: Path):
        """As where Slurm ends a job by SIGKILL: the container is no child of the client's."""
        jobs = write_jobs(tmp_path / "jobs", {"long": PACED}, epochs=12, resources=SMALL_JOB)
        run = submit(tmp_path, runs, jobs, LONG, "--rerun", profile=self.profile(tmp_path, IMAGE))
        wait_until(run, lambda _: deep_in_training(run, "long-seed1", 0.5))
        name = f"lab2-{read_submissions(run)[0].job_id}"
        (client,) = [pid for pid in children(run.path) if command(pid).startswith("podman\0run")]
        os.kill(client, signal.SIGKILL)
        now = wait_until(run, all_ended)
        assert "ended by SIGKILL" in now.trials[0].reason
        until = time.monotonic() + 30
        while name in podman("ps", "--format", "{{.Names}}"):
            assert time.monotonic() < until, "the container trains on"
            time.sleep(0.5)
        lab2("resume", "--runs", str(runs), "--any-node")
        wait_until(run, all_ended)
        shard = read_shard(run.shard("long-seed1"))
        assert (shard.status, shard.attempts, shard.host) == ("ok", 2, socket.gethostname()), shard.reason

    @pytest.mark.parametrize(
        ("image", "reason"),
        [
            ("localhost/none:at-all", "localhost/none:at-all: podman on "),
            (FOREIGN, f"{FOREIGN} is no image of lab2"),
            ("/no/such/lab2.tar", "/no/such/lab2.tar is not on "),
        ],
    )
    def test_an_image_that_is_not_lab2s_is_a_row_with_that_reason(self, tmp_path, runs: Path, image: str, reason: str):
        jobs = write_jobs(tmp_path / "jobs", {"small": TINY_JOBS["a_cnn"]}, resources=SMALL_JOB)
        run = submit(tmp_path, runs, jobs, FEW, profile=self.profile(tmp_path, image))
        now = wait_until(run, all_ended)
        assert (now.trials[0].state, now.trials[0].reason[: len(reason)]) == ("failed", reason)
