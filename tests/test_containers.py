"""The command that puts a trial into an image, word for word. Run for real by tests/test_image.py where it can be.

Apptainer and Pyxis were not to be had where lab2 was built: their lines are held against their documentation.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from lab2.errors import ConfigError
from lab2.launch.container import container_lines, srun_arguments, wrapper
from lab2.launch.planning import paths_read
from lab2.models.alexnet import AlexNetConfig
from lab2.results.run_dir import RunDir
from lab2.spec.architectures import ImportedConfig
from lab2.spec.job import DataConfig, JobSpec, Trial
from lab2.spec.profile import Profile
from tests.conftest import PATIENCE_S

ARGUMENTS = ("-u", "-m", "submitit.core._submit", "/runs/r/logs")


@cache
def tools() -> Path:
    """What the wrapper itself needs, and no container tool: so its lines are the same on every machine."""
    folder = Path(tempfile.mkdtemp(prefix="lab2-tools-"))
    atexit.register(shutil.rmtree, folder)
    for name in ("bash", "env", "grep", "hostname", "id", "sed", "sort", "tr"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


def in_image(*words: str, cwd: Path | str = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": f"{tools()}", "HOME": "/nowhere", "LAB2_AMD_FILE": "/nowhere/kfd", **environment}
    return subprocess.run(
        [str(wrapper()), *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=clean, cwd=cwd
    )


def shown(*words: str, cwd: Path | str = "/", **environment: str) -> str:
    done = in_image(*words, "--", *ARGUMENTS, cwd=cwd, LAB2_SHOW="1", **environment)
    assert done.returncode == 0, done.stderr
    return " ".join(shlex.split(done.stdout))


class TestGolden:
    def test_apptainer(self, tmp_path: Path):
        """https://apptainer.org/docs/user/1.3/cli/apptainer_exec.html: exec [options] <container> <command> [args].

        --cleanenv, --contain, --no-home, --pwd, --bind src[:dest[:opts]] and --nv stand there; that variables named
        APPTAINERENV_X reach a container in spite of --cleanenv, in .../environment_and_metadata.html.
        """
        (tmp_path / "nvidia0").touch()
        assert shown("apptainer", "/images/lab2.sif", "/runs", "/data/birds", LAB2_GPU_FILES=f"{tmp_path}/nvidia*") == (
            "apptainer exec --cleanenv --contain --no-home --pwd /work --bind /runs --bind /tmp:/tmp "
            "--bind /data/birds:/data/birds:ro --nv /images/lab2.sif "
            "/opt/lab2/venv/bin/python -u -m submitit.core._submit /runs/r/logs"
        )

    def test_podman(self):
        user = "" if os.getuid() == 0 else " --userns keep-id"
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3", "SUBMITIT_EXECUTOR": "slurm", "SECRET": "x"}
        assert shown("podman", "lab2:1", "/runs", **job, CUDA_VISIBLE_DEVICES="0,1") == (
            f"podman run --rm --read-only --network none --hostname {socket.gethostname()} --workdir /work "
            f"--user {os.getuid()}:{os.getgid()} --volume /runs:/runs --volume /tmp:/tmp "
            f"--security-opt label=disable{user} --cgroups disabled --group-add keep-groups "
            "--device nvidia.com/gpu=2 --device nvidia.com/gpu=3 --interactive --sig-proxy=false --env LAB2_LIFELINE=1 "
            "--name lab2-7 --env SLURM_JOB_GPUS --env SLURM_JOB_ID --env SUBMITIT_EXECUTOR "
            "--env HOME=/tmp --env LAB2_IMAGE_DIGEST=sha256:<its digest> "
            "--entrypoint /opt/lab2/venv/bin/python lab2:1 -u -m submitit.core._submit /runs/r/logs"
        )

    def test_docker(self, tmp_path: Path):
        (tmp_path / "nvidia0").touch()
        groups = " ".join(f"--group-add {group}" for group in subprocess.check_output(["id", "-G"], text=True).split())
        line = shown("docker", "lab2:1", "/runs", TMPDIR="/scratch", LAB2_GPU_FILES=f"{tmp_path}/nvidia*")
        assert line == (
            f"docker run --rm --read-only --network none --hostname {socket.gethostname()} --workdir /work "
            f"--user {os.getuid()}:{os.getgid()} --volume /runs:/runs --volume /scratch:/tmp {groups} --gpus all "
            "--env HOME=/tmp --env LAB2_IMAGE_DIGEST=sha256:<its digest> "
            "--entrypoint /opt/lab2/venv/bin/python lab2:1 -u -m submitit.core._submit /runs/r/logs"
        )

    def test_a_job_of_docker_has_what_slurm_gave_it_and_no_more(self, tmp_path: Path):
        """The container is not in the job's cgroup: memory, cores and GPUs are said by their numbers on the node."""
        (tmp_path / "nvidia0").touch()
        line = shown(
            "docker", "lab2:1", "/runs", SLURM_JOB_ID="7", SLURM_MEM_PER_NODE="4096", SLURM_STEP_GPUS="1,3",
            LAB2_GPU_FILES=f"{tmp_path}/nvidia*",
        )  # fmt: skip
        assert " --memory 4096m --cpuset-cpus " in line
        assert ' --gpus "device=1,3" ' in line
        assert "--gpus" not in shown(
            "docker", "lab2:1", "/runs", SLURM_JOB_ID="7", LAB2_GPU_FILES=f"{tmp_path}/nvidia*"
        )

    @pytest.mark.parametrize("names", ["MIG-41b3-0c,MIG-7c02-1d", "GPU-8932f937-d72c,GPU-1f0c-88"])
    def test_gpus_and_parts_of_gpus_that_have_names_are_given_by_them(self, names: str):
        """Slurm numbers MIG devices in its own way: SLURM_JOB_GPUS=4,5 are no GPUs of a driver with one card.

        docs.nvidia.com/datacenter/tesla/mig-user-guide for --gpus '"device=MIG-<uuid>"', and NVIDIA Container Toolkit,
        "Support for Container Device Interface", for nvidia.com/gpu=<uuid>. Both take names of whole GPUs, too.
        """
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "4,5", "CUDA_VISIBLE_DEVICES": names}
        first, second = names.split(",")
        line = shown("podman", "lab2:1", "/runs", **job)
        assert f" --device nvidia.com/gpu={first} --device nvidia.com/gpu={second} " in line
        assert "gpu=4" not in line
        assert "CUDA_VISIBLE_DEVICES" not in line  # inside, these are all there are
        assert f' --gpus "device={names}" ' in shown("docker", "lab2:1", "/runs", **job)
        assert " --env CUDA_VISIBLE_DEVICES " in shown("podman", "lab2:1", "/runs", CUDA_VISIBLE_DEVICES=names)

    @pytest.mark.parametrize(
        ("tool", "mounted"), [("apptainer", "--bind {0}"), ("podman", "--ipc host --volume {0}:{0}")]
    )
    def test_the_pipes_of_mps_are_mounted_where_its_daemon_serves(self, tmp_path: Path, tool: str, mounted: str):
        """docs.nvidia.com/deploy/mps: clients find the daemon by CUDA_MPS_PIPE_DIRECTORY, which is /tmp/nvidia-mps."""
        pipes = tmp_path / "mps"
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2", "CUDA_MPS_PIPE_DIRECTORY": str(pipes)}
        assert str(pipes) not in shown(tool, "lab2", "/runs", **job)
        pipes.mkdir()
        (pipes / "control").touch()
        assert f" {mounted.format(pipes)} " in shown(tool, "lab2", "/runs", **job)
        assert f" {mounted.format(pipes)} " not in shown(tool, "lab2", "/runs", **{**job, "SLURM_JOB_GPUS": ""})

    @pytest.mark.parametrize("job", [{}, {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3", "ROCR_VISIBLE_DEVICES": "0,1"}])
    def test_amds_gpus(self, tmp_path: Path, job: dict[str, str]):
        """ROCm's "Running ROCm Docker containers": /dev/kfd and /dev/dri; apptainer-exec(1): --rocm."""
        kfd = tmp_path / "kfd"
        kfd.touch()
        amd = {"LAB2_AMD_FILE": str(kfd), "LAB2_GPU_FILES": f"{tmp_path}/nvidia*"}
        assert " --rocm /images/lab2.sif " in shown("apptainer", "/images/lab2.sif", "/runs", **amd, **job)
        for tool in ("podman", "docker"):
            line = shown(tool, "lab2:1", "/runs", **amd, **job)
            assert f" --device {kfd} --device /dev/dri " in line
            assert "nvidia" not in line
            assert "--gpus" not in line
            assert ("ROCR_VISIBLE_DEVICES" in line) == bool(job)
        given = {"HIP_VISIBLE_DEVICES": "1", "HSA_OVERRIDE_GFX_VERSION": "11.0.0"}
        assert " --env HIP_VISIBLE_DEVICES --env HSA_OVERRIDE_GFX_VERSION " in shown(
            "docker", "lab2:1", "/runs", **amd, **given
        )

    def test_a_job_has_no_gpu_of_amds_that_slurm_did_not_give(self, tmp_path: Path):
        (tmp_path / "kfd").touch()
        amd = {"LAB2_AMD_FILE": f"{tmp_path}/kfd", "LAB2_GPU_FILES": f"{tmp_path}/nvidia*", "SLURM_JOB_ID": "7"}
        assert "--rocm" not in shown("apptainer", "lab2", "/runs", **amd)
        assert "/dev/dri" not in shown("docker", "lab2", "/runs", **amd)

    def test_outside_the_jobs_cgroup_amds_gpus_have_their_numbers_on_the_node(self, tmp_path: Path):
        (tmp_path / "kfd").touch()
        amd = {"LAB2_AMD_FILE": f"{tmp_path}/kfd", "LAB2_GPU_FILES": f"{tmp_path}/nvidia*"}
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3", "HIP_VISIBLE_DEVICES": "0,1", "GPU_DEVICE_ORDINAL": "0,1"}
        outside = shown("docker", "lab2:1", "/runs", **amd, **job)
        assert outside.count("--env ROCR_VISIBLE_DEVICES") == 1
        assert "HIP_VISIBLE_DEVICES" not in outside
        assert "GPU_DEVICE_ORDINAL" not in outside
        within = shown("podman", "lab2:1", "/runs", **amd, **job)  # by crun
        assert " --env GPU_DEVICE_ORDINAL --env HIP_VISIBLE_DEVICES " in within
        assert "ROCR_VISIBLE_DEVICES" not in within

    def test_pyxis(self):
        """https://github.com/NVIDIA/pyxis/wiki/Usage: SRC:DST[:FLAGS][,SRC:DST...], paths of squashfs files."""
        profile = Profile(container="pyxis", image="/images/lab2.sqsh")
        network = ImportedConfig(network="/home/me/net.py:Net")
        trials = [Trial(job=JobSpec(name="x", model=network), data=DataConfig(dataset="/data/birds"), seed=1)]
        assert srun_arguments(RunDir(Path("/runs/r")), profile, trials) == [
            "--container-image=/images/lab2.sqsh",
            "--container-mounts=/runs:/runs,/data/birds:/data/birds:ro,/home/me/net.py:/home/me/net.py:ro",
            "--container-workdir=/work",
            "--no-container-mount-home",
            "--no-container-remap-root",
        ]

    def test_slurms_own_oci(self):
        """srun(1), Slurm 22.05: "--container=<path_to_container>: Absolute path to OCI container bundle."."""
        profile = Profile(container="oci", image="/images/lab2")
        assert srun_arguments(RunDir(Path("/runs/r")), profile, []) == ["--container=/images/lab2"]


class TestMounts:
    def test_what_a_trial_reads_by_its_path_is_mounted(self):
        job = JobSpec(name="x", model=AlexNetConfig(weights="/weights/a.safetensors"))
        assert paths_read(Trial(job=job, data=DataConfig(), seed=1)) == ["/weights/a.safetensors"]

    def test_a_path_that_no_option_can_name_is_refused(self):
        trial = Trial(job=JobSpec(name="x", model=AlexNetConfig()), data=DataConfig(dataset="/data/a:b"), seed=1)
        with pytest.raises(ConfigError, match="cannot be mounted"):
            srun_arguments(RunDir(Path("/runs/r")), Profile(container="pyxis", image="/i.sqsh"), [trial])

    def test_work_goes_on_in_the_callers_folder_where_it_is_mounted(self, tmp_path: Path):
        (tmp_path / "checkout").mkdir()
        line = shown("podman", "lab2:1", "/runs", f"{tmp_path}/checkout", cwd=tmp_path / "checkout")
        assert f"--workdir {tmp_path}/checkout " in line
        assert f"--volume {tmp_path}/checkout:{tmp_path}/checkout:ro" in line


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("nerdctl", "lab2:1", "/tmp", "--", "-V"), "nerdctl is not on "),
            (("bash", "lab2:1", "/no/such/runs", "--", "-V"), "must lie on a file system that all nodes share"),
            (("bash", "lab2:1", "/tmp", "/no/such/data", "--", "-V"), "/no/such/data is not on "),
            (("bash", "lab2:1", "/tmp", "--", "-V"), "wanted apptainer, podman or docker"),
            (("bash", "lab2:1"), "found 2 words"),
        ],
    )
    def test_what_cannot_work_is_one_sentence(self, words: tuple[str, ...], message: str):
        done = in_image(*words)
        assert done.returncode == 78
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize("container", ["apptainer", "pyxis", "oci"])
    def test_an_image_file_that_is_not_there_is_refused_before_anything_is_submitted(self, container):
        with pytest.raises(ConfigError, match="no such file here; wanted a"):
            container_lines(Profile(container=container, image="/no/such/image"))

    @pytest.mark.parametrize("mode", [None, 0o644])
    def test_a_script_that_cannot_be_run_is_refused_before_anything_is_submitted(
        self, tmp_path: Path, mode, monkeypatch
    ):
        if mode:
            (tmp_path / "in-image").touch(mode)
        monkeypatch.setenv("LAB2_WRAPPER", str(tmp_path / "in-image"))
        with pytest.raises(ConfigError, match=f"{tmp_path}/in-image: no script that can be run; lab2 init FOLDER"):
            container_lines(Profile(container="podman", image="lab2:1"))


class TestDigest:
    def test_the_digest_of_an_image_file_is_its_sha256(self, tmp_path: Path):
        image = tmp_path / "lab2.sif"
        image.write_bytes(b"SIF")
        expected = hashlib.sha256(b"SIF").hexdigest()
        for container in ("apptainer", "pyxis"):
            profile = Profile(container=container, image=str(image))
            assert container_lines(profile) == [f"export LAB2_IMAGE_DIGEST=sha256:{expected}"]

    def test_the_digest_of_a_bundle_is_that_of_the_manifest_it_came_from(self, tmp_path: Path):
        walk = [{"digest": "sha256:of-the-index"}, {"digest": "sha256:of-the-manifest"}]
        (tmp_path / "umoci.json").write_text(json.dumps({"from_descriptor_path": {"descriptor_walk": walk}}))
        profile = Profile(container="oci", image=str(tmp_path))
        assert container_lines(profile) == ["export LAB2_IMAGE_DIGEST=sha256:of-the-manifest"]
        (tmp_path / "umoci.json").unlink()
        assert container_lines(profile) == []
