"""From the evidence about a Slurm job to a state and its reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab2.launch.batch import GO_ON, ExitNote
from lab2.launch.scheduler import JobState
from lab2.launch.status import TrialStatus, status
from lab2.launch.submission import Submission, write_submission
from lab2.launch.verdict import Evidence, Verdict, decide
from tests.conftest import make_run, make_trial


def ended(job_state: JobState | None, exit_note: ExitNote | None, log: list[str]) -> Verdict:
    """Of a job that Slurm no longer lists."""
    return decide(Evidence(job_id="7", job_state=job_state, exit_note=exit_note, log=log))


class TestVerdict:
    """States and exit codes as Slurm 22.05 gave them on the test cluster."""

    @pytest.mark.parametrize(
        ("said", "code", "log", "state", "reason"),
        [
            ("FAILED", 137, [], "failed", "ended by SIGKILL on n2"),
            ("FAILED", 137, ["error: StepId=6.0 exceeded memory limit (3 > 2), being killed"], "out_of_memory", "more"),
            ("OUT_OF_MEMORY", 137, [], "out_of_memory", "it took more memory than it had asked for on n2"),
            ("FAILED", 2, ["slurmstepd-n2: error: execve(): /no/python: No such file"], "failed", "python could not"),
            ("FAILED", 126, [], "failed", "its python could not start on n2"),
            ("FAILED", 127, [], "failed", "its python could not start on n2; see python and setup in the profile"),
            (None, 128 + 99, [], "failed", "ended by signal 99 on n2"),
            ("FAILED", 78, ["lab2: x: podman on n2 has no such image", "srun: error: 78"], "failed", "x: podman on n2"),
            (
                "FAILED",
                3,
                ["ValueError: no", "srun: error: n2: task 0: Exited with exit code 3"],
                "failed",
                "exit code 3 on n2; its log ends: ValueError: no",
            ),
            ("TIMEOUT", 143, [], "timeout", "its time was up on n2"),
            ("CANCELLED", 143, [], "cancelled", "was cancelled in Slurm"),
            ("DEADLINE", 143, [], "timeout", "its deadline passed on n2"),
            ("NODE_FAIL", None, [], "failed", "its node failed on n2"),
            ("BOOT_FAIL", None, [], "failed", "its node did not start on n2"),
            ("PREEMPTED", None, [], "failed", "preempted on n2"),
            ("COMPLETED", 0, [], "lost", "ended without a result"),
            ("COMPLETED", GO_ON, [], "lost", "left a checkpoint on n2"),
            ("FAILED", None, [], "failed", "job 7 failed on n2"),
            (None, None, [], "lost", "Slurm no longer knows job 7"),
            (None, 137, [], "failed", "ended by SIGKILL"),
            (None, 143, [], "failed", "ended by Slurm on n2: cancelled, or its time was up"),
        ],
    )
    def test_traces_amount_to_a_state_and_a_reason(self, said, code, log, state, reason):
        left = None if code is None else ExitNote(exit_code=code, node="n2")
        found = ended(JobState(state=said, node="n2") if said else None, left, log)
        assert found[0] == state
        assert reason in found[1]

    def test_a_last_word_says_what_would_help(self):
        late, large = JobState(state="TIMEOUT", node="n2"), JobState(state="OUT_OF_MEMORY", node="")
        more_time = "its time was up on n2; lab2 resume --set resources.timeout_min=... gives it more"
        more_memory = (
            "it took more memory than it had asked for; lab2 resume --set resources.memory_gb=... gives it more"
        )
        assert ended(late, None, []) == ("timeout", more_time)
        assert ended(large, None, []) == ("out_of_memory", more_memory)

    def test_what_the_script_heard_of_a_time_limit_counts_where_slurm_forgot(self):
        left = ExitNote(exit_code=143, node="n2", why="TimeLimit")
        assert ended(None, left, [])[0] == "timeout"
        assert ended(None, replace(left, why="NodeFail"), [])[0] == "failed"

    def test_a_node_that_nobody_knows_is_not_named(self):
        assert ended(None, ExitNote(exit_code=137, node=""), []) == ("failed", "ended by SIGKILL")
        assert ended(JobState(state="NODE_FAIL", node="n3"), None, [])[1] == "its node failed on n3"

    def test_slurms_reason_stands_in_parentheses(self):
        said = JobState(state="CANCELLED", node="n2", reason="by 1000")
        assert ended(said, None, []) == ("cancelled", "job 7 was cancelled in Slurm (by 1000)")
        failed = JobState(state="FAILED", node="n2", reason="NonZeroExitCode")
        found = ended(failed, None, ["last words"])
        assert found == ("failed", "job 7 failed on n2 (NonZeroExitCode); its log ends: last words")


class TestStillInSlurmsHands:
    RUNNING = Evidence(job_id="7", job_state=JobState(state="RUNNING", node="n2"), listed=True)
    INTERRUPTED = ExitNote(exit_code=GO_ON, node="n1")

    @pytest.mark.parametrize(
        ("evidence", "state", "reason"),
        [
            (RUNNING, "running", ""),
            (replace(RUNNING, cancelled=True), "running", "being cancelled"),
            (replace(RUNNING, listed=False), "lost", "no longer knows"),
            (replace(RUNNING, listed=False, cancelled=True), "cancelled", "with lab2 cancel"),
            (replace(RUNNING, job_state=JobState(state="PENDING", reason="Priority")), "queued", "Priority"),
            (
                replace(RUNNING, job_state=JobState(state="PENDING", reason="Priority"), exit_note=INTERRUPTED),
                "queued",
                "goes on after an interruption on n1; Priority",
            ),
            (replace(RUNNING, job_state=JobState(state="PENDING", reason="InvalidQOS")), "stuck", "InvalidQOS"),
            # Slurm does not answer:
            (replace(RUNNING, listed=False, answered=False), "running", ""),
            (Evidence(job_id="7", answered=False), "queued", "not heard of since"),
            (Evidence(job_id="7", answered=False, exit_note=INTERRUPTED), "queued", "goes on after an interruption"),
            (Evidence(job_id="7", answered=False, exit_note=ExitNote(exit_code=1, node="n1")), "failed", "exit code 1"),
            (replace(RUNNING, answered=False, exit_note=ExitNote(exit_code=137, node="n1")), "failed", "SIGKILL on n1"),
            (Evidence(job_id="7", answered=False, job_state=JobState(state="TIMEOUT")), "timeout", "its time was up"),
        ],
    )
    def test_evidence_amounts_to_a_state(self, evidence: Evidence, state: str, reason: str):
        found = decide(evidence)
        assert found.state == state
        assert reason in found.reason


class TestStuck:
    """What squeue says of a job that waits decides whether anybody needs to do something."""

    @pytest.fixture
    def queued(self, tmp_path: Path, monkeypatch) -> Callable[[str, str], TrialStatus]:
        """The status of a trial that squeue lists in that state, for that reason."""
        run = make_run(tmp_path, make_trial(seed=1))
        write_submission(run, Submission(job_id="9", job_name="x", trials=("cnn-seed1",), submitted_at=""))
        tools = tmp_path / "bin"
        tools.mkdir()
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

        def ask(state: str, reason: str) -> TrialStatus:
            (tools / "squeue").write_text(f"#!/bin/sh\necho '9|{state}||{reason}'\n")
            (tools / "squeue").chmod(0o755)
            now = status(run, run.read_plan())
            assert not now.caveat
            return now.trials[0]

        return ask

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            ("PENDING", "PartitionTimeLimit"),
            ("PENDING", "QOSMaxCpuPerJobLimit"),
            ("PENDING", "JobHeldAdmin"),
            ("PENDING", "launch failed requeued held"),
            ("REQUEUE_HOLD", "job requeued in held state"),
            ("SPECIAL_EXIT", "JobHeldUser"),
        ],
    )
    def test_a_job_that_slurm_will_never_start_is_stuck(self, queued, state: str, reason: str):
        found = queued(state, reason)
        assert (found.state, found.reason) == ("stuck", f"Slurm will not start job 9: {reason}")
        assert found.ended

    @pytest.mark.parametrize(
        ("state", "reason", "expected"),
        [
            ("PENDING", "Priority", "queued"),
            ("PENDING", "Resources", "queued"),
            ("PENDING", "None", "queued"),
            ("RUNNING", "None", "running"),
            ("RUNNING", "PartitionTimeLimit", "running"),  # Slurm leaves the reason for which it once waited
        ],
    )
    def test_one_that_waits_or_runs_is_not(self, queued, state: str, reason: str, expected: str):
        found = queued(state, reason)
        assert found.state == expected
        assert not found.ended
