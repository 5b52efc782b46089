"""`lab2 recommend`: what fits is by hand, no winner is forced, and what is not known is said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from tests.answered import among, answered, leave, seeds_of
from tests.conftest import make_run

A, B, C = among(1000, range(950)), among(1000, range(900)), among(1000, range(500))
D = among(1000, range(945), range(950, 951))  # 946; a is right about 5 others, and it about 1
RIGHT = {"a": A, "b": B, "c": C, "d": D}
MACHINE = {"device_name": "X1", "device": "cpu", "threads": 2}
COSTS: dict[str, dict[str, object]] = {
    "a": {"parameters": 2_000_000, "latency_p50_seconds": 3e-3},
    "b": {"parameters": 50_000, "latency_p50_seconds": 1e-3},
    "c": {"parameters": 10_000, "latency_p50_seconds": 1e-3},
    "d": {"parameters": 900_000, "latency_p50_seconds": 1.5e-3},
}


def made(
    folder: Path, *names: str, run_id: str = "run", seeds: int = 3, more: Mapping[str, object] | None = None
) -> RunDir:
    """A run with a job for each of `names`, whose seeds agree: the luck of images is all there is."""
    trials = [trial for name in names for trial in seeds_of(name, seeds)]
    run = make_run(folder, *trials, run_id=run_id)
    for trial in trials:
        leave(run, trial, RIGHT[trial.job.name], **{**MACHINE, **COSTS[trial.job.name], **(more or {})})
    return run


@pytest.fixture
def ask(run_cli, runs: Path, terminal: None):
    """Calls `lab2 recommend`; returns exit code, output on a terminal without line breaks, and standard error."""
    runs.mkdir()

    def asked(*words: str) -> tuple[int, str, str]:
        code, said, complained = run_cli("recommend", *words, "--runs", str(runs))
        assert "Traceback" not in complained
        assert max((len(line) for line in said.splitlines() if not line.startswith("in /")), default=0) <= 80
        return code, " ".join(said.split()), " ".join(complained.split())

    return asked


class TestOneRun:
    def test_a_shown_winner_is_named_with_what_is_excluded_and_what_that_costs(self, ask, runs: Path):
        made(runs, "a", "b", "c")
        code, said, _ = ask("run", "--max-parameters", "1e6", "--max-latency-ms", "2")
        assert code == 0
        assert "Limits: parameters at most 1,000,000; latency p50 at most 2 ms. 2 of 3 rows fit." in said
        assert "b is the best of the 2 rows that fit: it is shown to be better than all others (than c by 40.00" in said
        assert (
            "a does not fit: parameters 2,000,000, wanted at most 1,000,000; latency p50 3 ms, wanted at most 2 ms."
        ) in said
        assert "Without the limit on parameters b is still the most accurate: it costs no accuracy here." in said
        assert "Without any of these limits a would be first, by 5.00 points" in said
        assert "> 99 %" in said
        assert "flat prior" in said

    def test_what_limits_cost_together_is_said_only_where_none_costs_it_alone(self, ask, runs: Path):
        made(runs, "a", "b", "c")
        _, said, _ = ask("run", "--max-parameters", "1e6", "--max-latency-ms", "5")
        assert "Without the limit on parameters a would be first, by 5.00 points" in said
        assert "Without any" not in said

    def test_a_limit_on_accuracy_costs_what_less_accurate_rows_save(self, ask, runs: Path):
        made(runs, "a", "b", "c")
        _, said, _ = ask("run", "--min-accuracy", "0.85")
        assert (
            "Without the limit on accuracy c would fit, and costs less: parameters (10,000, not 50,000)." in said
        )  # its latency is that of b
        _, said, _ = ask("run", "--min-accuracy", "0.4")
        assert "Without the limit on accuracy nothing that costs less would fit." in said

    def test_what_a_limit_costs_has_an_interval(self, ask, runs: Path):
        made(runs, "a", "b", "c")
        _, said, _ = ask("run", "--max-parameters", "1e6")
        cost = re.search(r"parameters a would be first, by 5\.00 points, 95 % interval (\S+) to (\S+)\.", said)
        assert cost is not None
        low, high = map(float, cost.groups())
        half = 100 * (0.05 * 0.95 / 999) ** 0.5
        assert 5 - 2.4 * half < low < 5 - 1.96 * half  # three pairs: between 1.96 and Bonferroni's 2.39 errors
        assert high - 5 == pytest.approx(5 - low, abs=0.011)

    def test_where_two_cannot_be_told_apart_both_are_named_and_what_would_tell(self, ask, runs: Path):
        made(runs, "a", "b", "d")
        code, said, _ = ask("run")
        assert code == 0
        assert (
            "No single winner among the 3 rows that fit: a is the most accurate, and d is not shown to be worse."
            in said
        )
        assert "Equal to a within the margin of 3.16 points: d." in said
        assert "Of these, d has the least parameters (900,000) and latency p50 (1.5 ms)." in said
        assert "is the best of" not in said

    def test_an_open_pair_has_its_price(self, ask, runs: Path):
        other = among(1000, range(870), range(900, 930))  # as many as b; 30 of them other ones
        answered(runs, {"b": B[None].repeat(3, 0), "e": other[None].repeat(3, 0)}, margin=0.5)
        _, said, _ = ask("run")
        assert "No single winner among the 2 rows that fit" in said
        assert "To find a true difference of 0.5 points with a power of 80 %: b and e need" in said
        assert said.count("50 %") == 2

    def test_one_seed_is_said(self, ask, runs: Path):
        made(runs, "a", "b", seeds=1)
        _, said, _ = ask("run")
        assert "a and b have one seed: the answer holds for those trained networks." in said

    def test_what_was_not_measured_is_not_known_to_fit(self, ask, runs: Path):
        run = made(runs, "a", "b")
        for trial in seeds_of("b", 3):
            leave(run, trial, B, **MACHINE, parameters=50_000)
        _, said, _ = ask("run", "--max-latency-ms", "5")
        assert "b is not known to fit: latency p50: the table has no figure" in said
        assert "a is the only row that is known to fit." in said

    def test_a_lower_bound_of_flops_does_not_show_that_a_row_fits(self, ask, runs: Path):
        made(runs, "a", "b", more={"flops_per_image": 1000, "flops_uncounted": "fft"})
        code, said, _ = ask("run", "--max-flops", "2000")
        assert code == 1
        assert "No row is known to fit." in said
        assert "a is not known to fit: FLOPs/image: 1,000 are a lower bound, without fft." in said
        _, said, _ = ask("run", "--max-flops", "500")
        assert "a does not fit: FLOPs/image 1,000, wanted at most 500." in said

    def test_an_interval_that_holds_the_limit_is_said(self, ask, runs: Path):
        """1.5, 2 and 2.5 ms: mean 2, deviation 0.5, and t(2) = 4.303: 2 -+ 4.303 * 0.5 / sqrt(3)."""
        run = made(runs, "a", "b")
        for trial, latency in zip(seeds_of("b", 3), (1.5e-3, 2e-3, 2.5e-3), strict=True):
            leave(run, trial, B, **MACHINE, latency_p50_seconds=latency)
        _, said, _ = ask("run", "--max-latency-ms", "2.2")
        assert "b: the 95 % interval of its latency p50, 0.7579 ms to 3.242 ms, contains the limit 2.2 ms" in said

    def test_no_row_that_fits_is_exit_code_1_and_says_what_would_be_first(self, ask, runs: Path):
        made(runs, "a", "b")
        code, said, _ = ask("run", "--min-accuracy", "0.99")
        assert code == 1
        assert "No row is known to fit." in said
        assert "b does not fit: accuracy 90.00%, wanted at least 99.00%." in said
        assert "Without the limit on accuracy a would be first." in said

    def test_a_row_without_a_result_is_named_with_its_reason(self, ask, runs: Path):
        run = made(runs, "a", "b", "c")
        for trial in seeds_of("c", 3):
            write_shard(run.shard(trial.name), unfinished(trial, "out_of_memory", "took 9 GiB"))
        _, said, _ = ask("run")
        assert "c has no result: out_of_memory: seed 1: took 9 GiB" in said

    def test_a_row_that_cannot_be_compared_is_no_winner(self, ask, runs: Path):
        run = made(runs, "a", "b")
        for trial in seeds_of("b", 3):
            run.predictions(trial.name).unlink()
        code, said, complained = ask("run")
        assert code == 0
        assert "a and b fit and are not compared with other rows: no row is called the best." in said
        assert "not compared, because they have no predictions: b-seed1" in complained


class TestSeveralRuns:
    def test_rows_of_two_runs_are_told_apart_by_their_runs(self, ask, runs: Path):
        made(runs, "a", "c", run_id="one")
        made(runs, "b", run_id="two")
        _, said, complained = ask("one", "two")
        assert "one/a is the best of the 3 rows that fit" in said
        assert "two/b" in said
        assert "different machines" not in complained

    def test_latencies_of_two_machines_are_not_mixed_without_a_word(self, ask, runs: Path):
        made(runs, "a", run_id="one")
        made(runs, "d", run_id="two", more={"device_name": "X2"})
        _, said, complained = ask("one", "two", "--max-latency-ms", "5")
        assert (
            "note: latency p50: measured on different machines, which one limit does not compare: one/a on X1 (cpu, "
            "2 threads, unknown); two/d on X2"
        ) in complained
        assert "two/d has the least parameters (900,000)." in said  # and no word on whose latency is less

    @pytest.mark.parametrize(
        ("more", "found"),
        [
            ({"dataset_sha256": "e" * 64}, "two: 1,000 test images of mnist (SHA-256 eeeeeeeeeeee)"),
            ({"dataset_sha256": None}, "two: 1,000 test images of mnist (SHA-256 unknown)"),
        ],
    )
    def test_other_images_or_data_are_an_error_that_says_what_differs(self, more, found, ask, runs: Path):
        made(runs, "a", "c", run_id="one")
        made(runs, "b", run_id="two", more=more)
        code, said, complained = ask("one", "two")
        assert (code, said) == (2, "")
        assert "one and two cannot be compared in one table" in complained
        assert found in complained
        assert "ask for each run alone" in complained

    def test_a_run_of_which_no_row_can_be_compared_is_an_error_that_says_why(self, ask, runs: Path):
        made(runs, "a", "c", run_id="one")
        run = made(runs, "b", run_id="two", seeds=1)
        run.predictions("b-seed1").unlink()
        code, _, complained = ask("one", "two")
        assert code == 2
        assert "no row of two is compared with the others (not compared, because they have no predictions" in complained

    def test_so_are_fewer_test_images(self, ask, runs: Path):
        made(runs, "a", run_id="one")
        run = make_run(runs, *seeds_of("b"), run_id="two")
        leave(run, seeds_of("b")[0], B, order=range(100), **MACHINE)
        code, _, complained = ask("one", "two")
        assert code == 2
        assert "one: 1,000 test images of mnist" in complained
        assert "two: 100 test images" in complained

    def test_a_run_that_is_named_twice_is_refused(self, ask, runs: Path):
        made(runs, "a", "b")
        code, _, complained = ask("run", "latest")
        assert code == 2
        assert "one run is named twice" in complained

    def test_trainings_on_other_numbers_of_images_are_said(self, ask, runs: Path):
        made(runs, "a", run_id="one")
        made(runs, "b", run_id="two", more={"train_images": 60})
        _, _, complained = ask("one", "two")
        assert "note: the runs differ in their training images: one: 50; two: 60" in complained


class TestWhatIsAskedFor:
    @pytest.mark.parametrize(
        ("option", "value", "wanted"),
        [
            ("--min-accuracy", "99", "wanted a share above 0 and up to 1"),
            ("--max-parameters", "0", "wanted a number above 0"),
            ("--max-latency-ms", "nan", "wanted a number above 0"),
            ("--max-memory-mb", "inf", "wanted a number above 0"),
        ],
    )
    def test_impossible_limits_are_refused(self, option: str, value: str, wanted: str, ask, runs: Path):
        made(runs, "a", "b")
        code, _, complained = ask("run", option, value)
        assert (code, wanted in complained) == (2, True)

    def test_a_run_without_results_is_refused(self, ask, runs: Path):
        make_run(runs, *seeds_of("a"))
        code, _, complained = ask("run")
        assert code == 2
        assert "no trial has a result yet" in complained

    def test_all_of_it_is_there_as_json(self, ask, runs: Path, tmp_path: Path):
        made(runs, "a", "b", "d")
        code, _, _ = ask("run", "--max-parameters", "1e6", "--json", str(tmp_path / "found.json"))
        found = json.loads((tmp_path / "found.json").read_text())
        assert (code, found["first"], found["not_shown_to_be_worse"]) == (0, "d", ["d"])
        assert found["limits"] == [{"option": "--max-parameters", "column": "parameters", "bound": 1e6}]
        assert found["checks"]["a"][0]["fit"] == "does not fit"
        (cost,) = found["costs"]
        assert (cost["without"], cost["first"]) == ("--max-parameters", "a")
        assert cost["gain"]["difference"] == pytest.approx(0.004)
        assert sum(row["probability_best"] for row in found["rows_that_fit"]) == pytest.approx(1)

    def test_a_json_file_that_cannot_be_written_is_a_sentence(self, ask, runs: Path, tmp_path: Path):
        made(runs, "a", "b")
        code, said, complained = ask("run", "--json", str(tmp_path / "none" / "found.json"))
        assert code == 2
        assert "a is the best" in said  # what was found is not lost
        assert "found.json" in complained

    def test_memory_is_in_megabytes(self, ask, runs: Path):
        made(runs, "a", "b", more={"inference_memory_bytes": 300_000_000, "peak_memory_bytes": 900_000_000})
        _, said, _ = ask("run", "--max-memory-mb", "200", "--max-training-memory-mb", "1000")
        assert "a does not fit: memory to infer 300 MB, wanted at most 200 MB." in said
