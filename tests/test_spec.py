"""Configs refuse the impossible, overrides know every field, the catalogue names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lab2.errors import ConfigError
from lab2.models.alexnet import AlexNetConfig
from lab2.models.cnn import CNNConfig
from lab2.models.faster_rcnn import FasterRCNNConfig
from lab2.models.vgg16 import VGG16Config
from lab2.models.vit import ViTConfig
from lab2.spec.architectures import ImportedConfig, ModelConfig
from lab2.spec.catalogue import default_folder, find_jobs, is_folder, read_catalogue
from lab2.spec.effort import Effort
from lab2.spec.job import TRIAL, DataConfig, JobSpec, Resources, TrainConfig, Trial
from lab2.spec.overrides import override
from tests.conftest import TINY, augmentation, make_trial


def test_a_width_that_heads_do_not_divide_is_refused_where_it_is_written():
    with pytest.raises(ConfigError, match="dim=20 is not divisible by num_heads=3"):
        ViTConfig(num_heads=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNNConfig(kernel_size=4), "kernel_size=4 must be odd"),
        (lambda: TrainConfig(epochs=0), "epochs=0 must be positive"),
        (lambda: TrainConfig(target_accuracy=99), r"target_accuracy=99 is not in \(0, 1\]"),
        (lambda: TrainConfig(rotation=-5), r"rotation=-5 is not in \[0, 180\] degrees"),
        (lambda: TrainConfig(stretch=1), r"stretch=1 is not in \[0, 1\)"),
        (lambda: TrainConfig(batch_size=0), "train.batch_size=0 must be positive"),
        (lambda: TrainConfig(learning_rate=0), "train.learning_rate=0 must be positive"),
        (lambda: TrainConfig(weight_decay=-1), "train.weight_decay=-1 is negative or infinite"),
        (lambda: TrainConfig(weight_decay=float("inf")), "train.weight_decay=inf is negative or infinite"),
        (lambda: TrainConfig(warmup=1), r"train.warmup=1 is not in \[0, 1\)"),
        (lambda: TrainConfig(label_smoothing=1), r"train.label_smoothing=1 is not in \[0, 1\)"),
        (lambda: TrainConfig(shift=-1), "train.shift=-1 is negative"),
        (lambda: TrainConfig(crop_scale=0), r"train.crop_scale=0 is not in \(0, 1\]; 1 is no crop"),
        (lambda: TrainConfig(crop_scale=1.1), r"train.crop_scale=1.1 is not in \(0, 1\]"),
        (lambda: TrainConfig(flip=1.1), r"train.flip=1.1 is not in \[0, 1\]"),
        (lambda: TrainConfig(jitter=-0.1), r"train.jitter=-0.1 is not in \[0, 1\]"),
        (lambda: TrainConfig(mixup=-1), "train.mixup=-1 is negative or infinite"),
        (lambda: TrainConfig(cutmix=float("inf")), "train.cutmix=inf is negative or infinite"),
        (lambda: Resources(gpus=-1), "resources.gpus=-1 is negative"),
        (lambda: Resources(cpus=0), "resources.cpus=0 must be positive"),
        (lambda: Resources(memory_gb=0), "resources.memory_gb=0 must be positive"),
        (lambda: Resources(timeout_min=0), "resources.timeout_min=0 must be positive"),
        (lambda: Resources(checkpoint_seconds=0), "resources.checkpoint_seconds=0 must be positive"),
        (lambda: DataConfig(train_images=0), "data.train_images=0 must be positive"),
        (lambda: DataConfig(image_side=-3), "data.image_side=-3 must be positive"),
        (lambda: DataConfig(broken="mend"), "data.broken=.mend., wanted stop, skip"),
        (lambda: DataConfig(background="white"), "data.background=.white., wanted #rrggbb"),
        (lambda: DataConfig(test_share=1), r"data.test_share=1 is not in \(0, 1\)"),
        (lambda: make_trial(seed=-1), r"seed=-1 is not in \[0, 2\^31\)"),
        (lambda: make_trial(seed=2**31), r"seed=2147483648 is not in \[0, 2\^31\)"),
        (lambda: CNNConfig(filters=(4, 0)), r"filters=\(4, 0\), both must be positive"),
        (lambda: CNNConfig(hidden=0), "cnn: hidden=0 must be positive"),
        (lambda: CNNConfig(dropout=1), r"cnn: dropout=1 is not in \[0, 1\)"),
        (lambda: ViTConfig(patch_size=0), "patch_size=0 must be positive"),
        *((partial(ViTConfig, **{name: 0}), f"{name}=0") for name in ("dim", "depth", "num_heads", "mlp_ratio")),
        (lambda: ViTConfig(dim=9, num_heads=3), "dim=9 must be even"),
        (lambda: FasterRCNNConfig(widths=(8, 8, 0)), r"widths=\(8, 8, 0\) must be positive"),
        (lambda: FasterRCNNConfig(canvas=0.9), "canvas=0.9 is smaller than one image"),
        (lambda: FasterRCNNConfig(max_objects=0), "max_objects=0 must be 1 or more"),
        *(
            (partial(FasterRCNNConfig, **{name: 0}), "proposals, roi_size, hidden and test_scenes must be positive")
            for name in ("proposals", "roi_size", "hidden", "test_scenes")
        ),
        (lambda: FasterRCNNConfig(score_threshold=1), r"score_threshold=1 is not in \[0, 1\)"),
        (lambda: AlexNetConfig(head_epochs=-1), "head_epochs=-1 is negative"),
        (lambda: AlexNetConfig(feature_lr_scale=2), r"feature_lr_scale=2 is not in \[0, 1\]"),
        (lambda: VGG16Config(dropout=1), r"vgg16: dropout=1 is not in \[0, 1\)"),
        (lambda: AlexNetConfig(dropout=1), r"alexnet: dropout=1 is not in \[0, 1\)"),
        (lambda: AlexNetConfig(image_side=62), "its strides need 63 or more"),
        (lambda: ImportedConfig(network=":Net"), "wanted module:name or path/to/file.py:name"),
        (lambda: ImportedConfig(network="my.net:Not a name"), "wanted module:name or path/to/file.py:name"),
        (lambda: ImportedConfig(network="m:N", image_side=0), "imported: image_side=0"),
        (lambda: TrainConfig(optimizer="adam"), "train.optimizer='adam', wanted adamw, sgd, muon"),
        (lambda: TrainConfig(precision="fp8"), "train.precision='fp8', wanted auto, fp32, bf16"),
        (lambda: make_trial("faster_rcnn", shift=1), "train.shift would do nothing to a detector"),
        *(
            (partial(make_trial, "faster_rcnn", **{name: value}), f"train.{name} would do nothing to a detector")
            for name, value in augmentation("cnn").items()
        ),
        (lambda: make_trial("faster_rcnn", optimizer="muon"), "optimizer=muon is for classifiers"),
        (lambda: VGG16Config(image_side=28), "five poolings need 32 or more"),
        (lambda: AlexNetConfig(weights=""), "weights is empty"),
        (lambda: JobSpec(name="my job", model=CNNConfig()), "job name 'my job'"),
    ],
)
def test_impossible_values_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_the_last_possible_values_are_taken():
    TrainConfig(weight_decay=0, warmup=0, label_smoothing=0, rotation=180, stretch=0, shift=0, target_accuracy=1)
    TrainConfig(crop_scale=1, flip=1, jitter=1, mixup=0, cutmix=0)
    TrainConfig(rotation=0, warmup=0.99, label_smoothing=0.99, stretch=0.99)
    Resources(gpus=0, cpus=1)
    CNNConfig(filters=(1, 1), kernel_size=1, hidden=1, dropout=0)
    ViTConfig(patch_size=1, dim=2, depth=1, num_heads=1, mlp_ratio=1)
    FasterRCNNConfig(widths=(1, 1, 1), canvas=1, max_objects=1, proposals=1, roi_size=1, hidden=1, test_scenes=1)
    FasterRCNNConfig(score_threshold=0)
    VGG16Config(dropout=0, head_epochs=0, feature_lr_scale=0, image_side=32)
    AlexNetConfig(feature_lr_scale=1, image_side=63)
    ImportedConfig(network="m:N", image_side=1)
    DataConfig(train_images=1, validation_images=1, test_images=1, image_side=1)
    make_trial(seed=0)
    make_trial(seed=2**31 - 1)


IMPORTS = (
    "from lab2.spec.architectures import CNNConfig, ImportedConfig\nfrom lab2.spec.job import JobSpec, TrainConfig\n"
)


@pytest.mark.parametrize("name", TINY)
def test_a_trial_comes_back_from_json_as_it_was(name):
    trial = make_trial(name)
    assert TRIAL.validate_json(TRIAL.dump_json(trial)) == trial


def test_the_digest_changes_with_every_part_of_the_configuration():
    trial = make_trial("vit")
    others = [make_trial("vit", seed=2), make_trial("vit", epochs=2), make_trial("vit", model=ViTConfig())]
    others += [make_trial("vit", **{name: value}) for name, value in augmentation("vit").items()]
    assert len({t.digest for t in (trial, *others)}) == 13
    assert make_trial("vit").digest == trial.digest


# As commit be65c34 computed them.
DIGESTS = {
    CNNConfig(): "1d41984150deb511dc6d5372a9bb709befeb9448f329691f3b4816da831e9d97",
    ViTConfig(): "6d73fefbd00544e4856dcc044e303a23f0976799a499cc960ee98f339c6730f2",
    FasterRCNNConfig(): "7eb7329143f4e113d8d46199515c3901ec51e99be390b26409909a7f6ca5b6e3",
    VGG16Config(): "5e0a03e8d3f7a21823102d1f1078f1acebab05b99510ca3573a782b7cf699e26",
    AlexNetConfig(): "b03ca133aafdc3bc781b276db5cfd1c030df8312e60fe47d0d7b920867683d4a",
}


@pytest.mark.parametrize("model", DIGESTS, ids=lambda model: model.architecture)
def test_a_trial_has_the_digest_that_an_older_version_gave_it(model: ModelConfig):
    """Shards of older runs stay those of their trials. A default or a field that changes, changes it for every user."""
    trial = Trial(job=JobSpec(name=model.architecture, model=model), data=DataConfig(), seed=1)
    assert trial.digest == DIGESTS[model]


class TestOverride:
    @pytest.mark.parametrize(
        ("setting", "kept"),
        [
            ("train.learning_rate=0.5", False),
            ("model.dropout=0.5", False),
            ("train.budget=60s", True),
            ("train.precision=fp32", True),
            ("resources.cpus=1", True),
            ("data.train_images=100", True),
        ],
    )
    def test_another_recipe_has_no_effort_of_the_old_one(self, setting: str, kept: bool):
        trial = make_trial("cnn")
        trial = replace(trial, job=replace(trial.job, effort=Effort(settings=9)))
        assert override([trial], [setting])[0].job.effort == (Effort(settings=9) if kept else None)

    def test_sets_a_field_of_each_trial_that_has_it(self):
        cnn, vit = override([make_trial("cnn"), make_trial("vit")], ["train.epochs=3", "model.hidden=7"])
        assert (cnn.job.train.epochs, vit.job.train.epochs) == (3, 3)
        assert cnn.job.model == CNNConfig(filters=(4, 8), hidden=7)

    def test_reaches_one_job_by_its_name(self):
        cnn, vit = override([make_trial("cnn"), make_trial("vit")], ["vit:train.epochs=9"])
        assert (cnn.job.train.epochs, vit.job.train.epochs) == (1, 9)

    def test_takes_lists_words_and_nothing(self):
        trial = make_trial("cnn", target_accuracy=0.5)
        (changed,) = override([trial], ["model.filters=[2,3]", "train.optimizer=sgd", "train.target_accuracy=none"][:2])
        assert changed.job.train.optimizer == "sgd"
        assert override([trial], ["train.target_accuracy=None"])[0].job.train.target_accuracy is None

    def test_asks_did_you_mean(self):
        with pytest.raises(ConfigError, match=r"no field is called 'train.epoch'; did you mean 'train.epochs'\?"):
            override([make_trial()], ["train.epoch=3"])

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("train.batch_size=many", "found 'many', wanted"),
            ("train.batch_size=1.5", "found '1.5', wanted a valid integer"),
            ("train.optimizer=adam", "wanted 'adamw', 'sgd' or 'muon'"),
            ("train.epochs", "wanted name=value"),
            ("train.epochs=-1", "train.epochs=-1"),
            ("gru:train.epochs=1", "no chosen job is called 'gru'"),
            ("model.architecture=vit", "no field is called 'model.architecture'"),
        ],
    )
    def test_says_what_is_wrong(self, setting, message):
        with pytest.raises(ConfigError, match=message):
            override([make_trial()], [setting])


class TestCatalogue:
    def test_the_five_architectures_are_there_with_their_questions(self):
        entries = read_catalogue(default_folder())
        assert {e.job.model.architecture for e in entries.values()} >= set(TINY)
        assert all("?" in entry.question for entry in entries.values())

    def test_a_sixth_is_one_file(self, tmp_path: Path):
        (tmp_path / "wide.py").write_text(
            '"""Wide?"""\nfrom lab2.spec.architectures import CNNConfig\nfrom lab2.spec.job import JobSpec\n'
            'JOB = JobSpec(name="wide", model=CNNConfig(hidden=512))\n'
        )
        (entry,) = find_jobs(tmp_path, [])
        assert entry.job.model == CNNConfig(hidden=512)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("JOB = 1", "binds no JOB"),
            ("import nothing_of_that_name", r"bad\.py:1: ModuleNotFoundError"),
            ("x = (", r"bad\.py:1: SyntaxError"),
            ("\nJOB = JobSpec()", r"bad\.py:2: NameError"),
            ("import sys\nsys.exit(0)", r"bad\.py:2: SystemExit"),
            ("from lab2.spec.architectures import CNNConfig\n\nCNNConfig(hidden=0)", r"bad\.py: cnn: hidden=0"),
            (f"{IMPORTS}JOB = JobSpec(name='a', model='vit')", r"bad\.py: a: model='vit', wanted a config"),
            (
                f"{IMPORTS}JOB = JobSpec(name='a', model=CNNConfig(), train=TrainConfig(batch_size=32.5))",
                r"bad\.py: JOB: train\.batch_size: found 32\.5, wanted a valid integer",
            ),
            (
                f"{IMPORTS}JOB = JobSpec(name='a', model=CNNConfig(), train=TrainConfig(epoch=5))",
                r"bad\.py:\d+: TrainConfig has no field 'epoch'; did you mean 'epochs'",
            ),
            (
                f"{IMPORTS}JOB = JobSpec(name='a', model=CNNConfig(), train=TrainConfig(epochs='viele'))",
                r"bad\.py:\d+: TrainConfig\.epochs: found 'viele', wanted a valid number",
            ),
            (f"{IMPORTS}JOB = JobSpec(name='a')", r"bad\.py:\d+: JobSpec lacks 'model'"),
            (
                f"{IMPORTS}JOB = JobSpec(name='a', model=ImportedConfig(network='a:b', options={{'of': object()}}))",
                r"bad\.py: JOB: holds what no plan can",
            ),
        ],
    )
    def test_a_bad_file_is_named(self, tmp_path: Path, content, message, monkeypatch):
        (tmp_path / "bad.py").write_text(content)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError, match=message):
            read_catalogue(Path("../") / tmp_path.name)

    def test_an_unknown_job_asks_did_you_mean(self):
        with pytest.raises(ConfigError, match="did you mean 'alexnet'"):
            find_jobs(default_folder(), ["alexnett"])

    def test_a_folder_here_that_is_called_as_a_job_is_does_not_hide_it(self, tmp_path: Path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("cnn", "resnet20", "mine"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "ours.py").write_text("raise SystemExit('it was run')")
        assert [is_folder(word) for word in ("cnn", "resnet20", "mine", "./cnn", "vit")] == [False] * 2 + [True] * 2 + [
            False
        ]

    def test_a_job_of_a_folder_within_is_found_by_its_name(self, tmp_path: Path):
        entries = find_jobs(default_folder(), ["vit", "resnet20", "cnn_strong"])
        assert [entry.job.name for entry in entries] == ["vit", "resnet20", "cnn_strong"]
        with pytest.raises(ConfigError, match=r"no job is called 'resnet2'; did you mean 'resnet20'\? .*, vit_strong$"):
            find_jobs(default_folder(), ["resnet2"])
        for folder in ("", "one", "other"):
            (tmp_path / folder).mkdir(exist_ok=True)
            name = "again" if folder else "outside"
            text = f"{IMPORTS}JOB = JobSpec(name='{name}', model=CNNConfig())"
            (tmp_path / folder / f"{name}.py").write_text(text)
        with pytest.raises(ConfigError, match=r"one and .*other each have again\.py; give one of these"):
            find_jobs(tmp_path, ["again"])
        (tmp_path / "one" / "again.py").rename(tmp_path / "one" / "renamed.py")
        with pytest.raises(ConfigError, match=r"renamed\.py: its job is not called 'renamed'; .* one of: again$"):
            find_jobs(tmp_path, ["renamed"])

    def test_an_empty_folder_says_what_a_job_is(self, tmp_path: Path):
        with pytest.raises(ConfigError, match="holds no job"):
            read_catalogue(tmp_path)
