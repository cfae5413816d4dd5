"""What a stranger's study, table or model cannot do: run code, read elsewhere, write elsewhere, or fill the memory."""

import json
import pickle
import warnings
import zipfile

import keras
import numpy as np
import pytest
import yaml

from noiseflow import datasets
from noiseflow.base.entry_points import find_entry_point
from noiseflow.base.faults import InvalidInputError
from noiseflow.engine.model_file import ModelFile
from noiseflow.study import Dataset, Study
from noiseflow.study import loading as studies
from noiseflow.study.loading import FOLDER, confined, load, validate
from noiseflow.trials import preflight
from noiseflow.trials.plan import dataset_key

SMOKE = yaml.safe_load((FOLDER / "smoke.yaml").read_text())
NASTY_NAMES = [
    "../../../outside",
    "/outside/of/it",
    "..",
    "a/b",
    "con:",
    "a\\..\\b",
    "~root",
    "$(touch pwned)",
    "%2e%2e",
]


def refused(call, *arguments):
    with pytest.raises(InvalidInputError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    "attack",
    [
        "!!python/object/apply:os.system ['touch pwned']",
        "!!python/object/new:os.system ['touch pwned']",
        "!!python/name:os.system",
        "!!python/module:os",
        '!!python/object/apply:builtins.exec [\'open("pwned", "w")\']',
        "!!python/tuple [1, 2]",
    ],
)
def test_yaml_tags_of_python_are_refused_and_do_nothing(tmp_path, monkeypatch, attack):
    monkeypatch.chdir(tmp_path)
    for text in (attack, f"name: {attack}\n", yaml.safe_dump(SMOKE) + f"purpose: {attack}\n"):
        (tmp_path / "study.yaml").write_text(text)
        assert refused(load, "study.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize("field", ["datasets", "architectures"])
@pytest.mark.parametrize(
    "name", ["os:system", "os.system", "noiseflow.store:Store", "__import__('os')", "builtins.exec", "../x"]
)
def test_entry_points_are_names_of_installed_packages_and_are_never_imported_by_path(field, name):
    part = {"kind": "entry_point", "entry_point": name} | ({"task": "regression"} if field == "datasets" else {})
    found = preflight.faults(validate(SMOKE | {field: [part]}))
    assert len(found) == 1
    assert "must be an installed entry point" in found[0]
    with pytest.raises(LookupError, match="must be an installed entry point"):
        find_entry_point(f"noiseflow.{field}", name)


def test_settings_of_a_study_are_values_and_never_code():
    settings = {"f": "__import__('os').system('touch pwned')"}
    part = {"kind": "entry_point", "entry_point": "nobody", "settings": settings}
    assert validate(SMOKE | {"architectures": [part]}).architectures[0].settings == settings
    assert "settings" in refused(validate, SMOKE | {"architectures": [part | {"settings": {"f": [1]}}]})


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """What NOISEFLOW_DATA names, with a table in it and another one beside it."""
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "my.csv", tmp_path / "secret.csv"):
        path.write_text("x,y\n" + "".join(f"{i % 7},{i % 3}\n" for i in range(60)))
    monkeypatch.setenv("NOISEFLOW_DATA", str(folder))
    return folder


def inline(path):
    return SMOKE | {"datasets": [{"kind": "table", "path": str(path), "target": "y", "task": "classification"}]}


def test_study_that_arrives_as_a_parameter_reads_under_the_data_folder_only(data_folder, tmp_path):
    (data_folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (data_folder / "out").symlink_to(tmp_path)
    assert confined(inline("my.csv")).datasets[0].path == str(data_folder / "my.csv")
    assert confined(inline(data_folder / "deep" / ".." / "my.csv")).datasets[0].path == str(data_folder / "my.csv")
    others = [
        "link.csv",
        "out/secret.csv",
        "../secret.csv",
        "deep/../../secret.csv",
        tmp_path / "secret.csv",
        "/etc/passwd",
    ]
    held = Study.model_validate(inline("my.csv")).model_dump()  # as Prefect hands it over: with tuples
    assert confined(held).datasets[0].path == str(data_folder / "my.csv")
    for path in others:
        given = inline("my.csv")
        given["datasets"][0]["test_path"] = str(path)
        assert "datasets[0].test_path must lie under the folder" in refused(confined, given)
        assert "must lie under the folder that NOISEFLOW_DATA names" in refused(confined, inline(path))
        network = SMOKE | {"architectures": [{"kind": "file", "path": str(path)}]}
        assert "must lie under the folder that NOISEFLOW_DATA names" in refused(confined, network)


@pytest.mark.parametrize("folder", [None, ""])
def test_without_a_data_folder_no_study_that_arrives_as_a_parameter_reads_anything(data_folder, monkeypatch, folder):
    monkeypatch.delenv("NOISEFLOW_DATA")
    if folder is not None:
        monkeypatch.setenv("NOISEFLOW_DATA", folder)
    assert "it is not set" in refused(confined, inline(data_folder / "my.csv"))


@pytest.mark.usefixtures("data_folder")
def test_a_data_folder_whose_name_begins_alike_is_another_one(tmp_path):
    (tmp_path / "data-of-others").mkdir()
    (tmp_path / "data-of-others" / "my.csv").write_text("x,y\n1,2\n")
    assert "NOISEFLOW_DATA" in refused(confined, inline(tmp_path / "data-of-others" / "my.csv"))


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_name_of_a_study_is_no_path(name):
    assert "name must match" in refused(validate, SMOKE | {"name": name})


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_no_name_in_a_study_gets_into_the_name_of_a_file(name):
    """Labels are free text: they stand in tables and pictures, and files are named by kinds, numbers and hashes."""
    part = {"kind": "circles", "n_samples": 60, "n_train": 20, "label": name}
    key = dataset_key(Dataset.model_validate(part), [1, 2])
    assert "/" not in key
    assert "\\" not in key
    assert name not in key


class Evil:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickle_in_place_of_data_is_never_loaded(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive:
        for name in ("X.npy", "y.npy"):
            with archive.open(name, "w") as member:
                np.lib.format.write_array(member, np.array([Evil(tmp_path / "pwned")], dtype=object), allow_pickle=True)
    for name in ("evil.csv", "raw.npz", "evil.parquet"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil(tmp_path / "pwned")))
    for path in sorted(tmp_path.glob("*.*")):
        kind = {"kind": "arrays"} if path.suffix == ".npz" else {"kind": "table", "target": "y"}
        found = datasets.faults(Dataset(path=str(path), task="classification", **kind), [1], "datasets[0]")
        assert len(found) == 1, path
        assert found[0].startswith("datasets[0].path must")
    assert not (tmp_path / "pwned").exists()


# -- models --------------------------------------------------------------------------------------------------------------


def saved(path, layer, **settings):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4, "relu"), layer, keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(loss="binary_crossentropy", optimizer="sgd", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' writer uses what numpy deprecates, and warns of code in the file
        model.save(path)
    return path


def faults_of(path):
    return preflight.faults(validate(SMOKE | {"architectures": [{"kind": "file", "path": str(path)}]}))


def with_config(path, change):
    """A copy of a .keras file whose configuration was tampered with."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    tampered = path.with_name("tampered.keras")
    with zipfile.ZipFile(tampered, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(config).encode()}).items():
            archive.writestr(name, content)
    return tampered


def test_lambda_layer_in_a_model_file_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved(
        tmp_path / "code.keras", keras.layers.Lambda(lambda x: __import__("pathlib").Path("pwned").touch() or x)
    )
    (tmp_path / "pwned").unlink()  # its author's own building of the model left it
    (fault,) = faults_of(path)
    assert fault.startswith(
        "architectures[0] must be a file that model.save(...) wrote, of a compiled model without code"
    )
    assert "ambda" in fault
    assert "\n" not in fault
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "exec"),
        ("subprocess", "Popen"),
        ("keras.src.utils.file_utils", "get_file"),
        ("pickle", "loads"),
    ],
)
def test_foreign_class_in_a_model_file_is_never_called(tmp_path, monkeypatch, module, name):
    monkeypatch.chdir(tmp_path)
    good = saved(tmp_path / "good.keras", keras.layers.Dense(3))

    def put_in(config):
        layer = config["config"]["layers"][2]
        layer |= {"module": module, "class_name": name, "registered_name": name, "config": {"args": ["touch pwned"]}}

    (fault,) = faults_of(with_config(good, put_in))
    assert "must be a file that model.save(...) wrote" in fault
    assert not (tmp_path / "pwned").exists()


def test_model_file_writes_nothing_wherever_its_members_point(tmp_path):
    """Its configuration is all that is read; nothing is unpacked."""
    folder = tmp_path / "deep"
    folder.mkdir()
    path = saved(folder / "good.keras", keras.layers.Dense(3))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../outside", "/noiseflow-outside", "assets/../../outside"):
            archive.writestr(name, b"evil")
    assert faults_of(path) == []
    assert [entry.name for entry in tmp_path.rglob("*")] == ["deep", "good.keras"]


def test_zip_bomb_in_place_of_a_model_is_refused_without_being_unpacked(tmp_path):
    path = tmp_path / "bomb.keras"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("config.json", "w", force_zip64=True) as file,
    ):
        for _ in range(40):
            file.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"a model must be a \.keras file .* config.json of 41,943,040 bytes"):
        ModelFile.read(path)
    assert "must be a file that model.save" in faults_of(path)[0]


@pytest.mark.parametrize(
    "config", [b"[]", b"null", b"1", b"[" * 100_000, b'{"compile_config": 1}', b"\xff\xfe", b'{"a": NaN', b""]
)
def test_nonsense_in_place_of_a_model_is_refused(tmp_path, config):
    path = tmp_path / "nonsense.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
    (fault,) = faults_of(path)
    assert fault.startswith("architectures[0] must be a ")
    assert fault.isprintable()


# -- what grows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"architectures": [{"kind": "mlp", "units": [65_536, 65_536]}]},
            "at most 100,000,000 weights, not 4,295,032,832",
        ),
        ({"architectures": [{"kind": "lstm", "units": [8_000]}]}, "at most 100,000,000 weights, not 256,032,000"),
        (
            {"architectures": [{"kind": "cnn", "filters": [4_000, 4_000]}]},
            "at most 100,000,000 weights, not 144,036,000",
        ),
        ({"datasets": [{"kind": "friedman1", "n_samples": 10**6, "n_features": 10**4}]}, "at most 100,000,000 numbers"),
        ({"datasets": [{"kind": "waves", "n_eval": 10**7}]}, "at most 100,000,000 numbers, 20 for each row"),
        ({"design": "crossed", "n_seeds": 10_000, "n_data_seeds": 1_000}, "at most 1,000,000 trials, not 20,000,000"),
        ({"purpose": "a\x1b[31mb"}, "must be text without control characters"),
        ({"margin": float("inf")}, "margin must be a finite number"),
    ],
)
def test_study_that_would_fill_the_memory_is_refused(changes, says):
    assert says in refused(validate, SMOKE | changes)


def test_network_that_is_too_large_for_its_rows_is_refused_before_it_is_built():
    wide = {
        "datasets": [{"kind": "friedman1", "n_features": 10_000}],
        "architectures": [{"kind": "mlp", "units": [65_536]}],
    }
    (fault,) = preflight.faults(validate(SMOKE | wide))
    assert "architectures[0] must have at most 100,000,000 weights; received 655,360,000" in fault


def test_study_file_with_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    """Ten lines that stand for 10^11 values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 11)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    assert "at most 50,000 values, aliases written out" in refused(studies.load, str(tmp_path / "bomb.yaml"))


def test_study_file_may_use_anchors_and_merge_keys(tmp_path):
    two = "architectures:\n- &a {kind: mlp, units: [4]}\n- {<<: *a, label: wide, units: [8]}\n"
    other = yaml.safe_dump({key: value for key, value in SMOKE.items() if key != "architectures"})
    (tmp_path / "study.yaml").write_text(other + two)
    assert [network.units for network in load(str(tmp_path / "study.yaml")).architectures] == [(4,), (8,)]
