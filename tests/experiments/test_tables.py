"""The README's results from records: what is kept of a run, what is said of it, and what must never be kept."""

import json
import re
import shutil
from pathlib import Path

import pytest

from experiments.age.records import read_record, read_records, without_places
from experiments.tables import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path, trained):
    """A project with a README and one record, of a run on drawn faces."""
    (tmp_path / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    assert main(["keep", str(trained[0]), "age_cnn"], tmp_path) == 0
    return tmp_path


def varied(root, record, val_mae, **settings):
    """A copy of the record with another validation error and other settings."""
    folder = shutil.copytree(root / "experiments/records/age_cnn", root / "experiments/records" / record)
    config = json.loads((folder / "config.json").read_text())
    config["settings"].update(settings)
    (folder / "config.json").write_text(json.dumps(config))
    history = (folder / "history.csv").read_text().splitlines()
    names = history[0].split(",")
    rows = [line.split(",") for line in history[1:]]
    for i, row in enumerate(rows):
        row[names.index("val_mae_years")] = str(val_mae + i)
    (folder / "history.csv").write_text("\n".join([history[0], *(",".join(row) for row in rows)]) + "\n")


def test_a_kept_run_is_small_and_shows_no_face(root, trained):
    kept = sorted(path.name for path in (root / "experiments/records/age_cnn").iterdir())
    assert kept == [
        "config.json", "error_by_age.png", "history.csv", "history.png", "metrics.json", "predictions.csv",
        "scatter.png",
    ]  # fmt: skip
    assert (trained[0] / "predictions.png").exists()  # which shows faces


def test_a_kept_run_names_no_place_on_the_machine(root, trained, command, photos):
    text = (root / "experiments/records/age_cnn/config.json").read_text()
    assert str(trained[0].parent) not in text
    command("--data-dir", photos, "--image-size", 16, "--epochs", 1, f"--cache-dir={root}/c", "--out", root / "run")
    config = json.loads((root / "run/config.json").read_text())
    config["command_line"] = [
        "/x/utkface_age.py",
        "--data-dir",
        str(photos),
        f"--cache-dir={root}/c",
        "--out",
        "/y/run",
    ]
    clean = without_places(config)
    assert all(place not in json.dumps(clean) for place in (str(root), str(photos), '"/', "=/"))
    assert clean["command_line"] == [
        "experiments/utkface_age.py", "--data-dir", "path/to/UTKFace", "--cache-dir", "path/to/cache",
    ]  # fmt: skip
    assert clean["faces"]["source"] == "UTKFace"


def test_the_readme_gets_tables_plots_and_the_command_between_its_marks(root):
    text = (root / "README.md").read_text()
    assert text.startswith("before\n<!-- results -->\n")
    assert text.endswith("<!-- /results -->\nafter\n")
    assert "old" not in text
    metrics = json.loads((root / "experiments/records/age_cnn/metrics.json").read_text())
    assert f"| {metrics['mae_years']:.2f} | {metrics['rmse_years']:.2f} |" in text
    assert "20 test faces (synthetic faces)" in text
    assert "160 faces to train and 20 to choose the epoch" in text
    assert "python experiments/utkface_age.py --data synthetic --limit 200" in text
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        assert (root / picture).exists()


def test_every_table_has_as_many_cells_in_each_row(root):
    varied(root, "ablation/base", 6.0)
    varied(root, "ablation/other", 6.5, ema=0.9)
    main([], root)
    for table in re.findall(r"(?:^\|.*\n)+", (root / "README.md").read_text(), re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_building_twice_changes_nothing(root):
    before = (root / "README.md").read_text()
    assert main([], root) == 0
    assert (root / "README.md").read_text() == before


def test_the_best_model_comes_first(root):
    varied(root, "better", 0.5)
    main([], root)
    text = (root / "README.md").read_text()
    assert text.index("[better]") < text.index("[age_cnn]")
    assert "experiments/records/better/scatter.png" in text


def test_the_ablation_says_what_was_changed_and_what_it_came_to(root):
    varied(root, "ablation/base", 6.0, ema=0.999, augment=["flip", "shift"], clip=None)
    varied(root, "ablation/no-ema", 6.25, ema=None, augment=["flip", "shift"])
    varied(root, "ablation/no-augment", 7.5, ema=0.999, augment=[], clip=1.0, threads=9, name="x")
    main([], root)
    text = (root / "README.md").read_text()
    assert "| nothing: the base | 6.00 |  |" in text
    assert "| ema: 0.999 → off | 6.25 | +0.25 |" in text
    assert "| clip: off → 1.0; augment: flip,shift → off | 7.50 | +1.50 |" in text
    assert text.index("no-ema" if "no-ema" in text else "ema: 0.999") < text.index("augment: flip,shift → off")


def test_a_record_from_before_there_were_other_models_is_read(root):
    path = root / "experiments/records/age_cnn/config.json"
    config = json.loads(path.read_text())
    del config["settings"]["model"], config["settings"]["head"]
    (path.parent / "predictions.csv").unlink()
    path.write_text(json.dumps(config))
    record = read_record(path.parent)
    assert (record.settings["model"], record.settings["head"], record.predictions) == ("AgeCNN", "regression", [])
    assert main([], root) == 0


def test_the_projects_own_records_are_whole_and_show_no_face():
    folder = ROOT / "experiments/records"
    assert all("/" not in record.config["faces"]["source"] for record in read_records(folder))
    assert not list(folder.rglob("predictions.png"))


@pytest.mark.parametrize(
    ("task", "said"),
    [("gender", {"gender": "accuracy"}), ("multi", {"gender": "gender", "age_group": "age_group"})],
)
def test_other_tasks_have_a_table_of_their_own(root, command, small, task, said):
    options = [*small[:-1], 1, "--model", "AgeResNet", "--task", task]
    assert command("train", *options, "--out", root / "run").status == 0
    assert main(["keep", str(root / "run"), task], root) == 0
    text = (root / "README.md").read_text()
    metrics = json.loads((root / "run/metrics.json").read_text())
    table = text[text.index("What else the same networks learn") :]
    head, row = table.splitlines()[2], table.splitlines()[4]
    assert row.startswith(f"| [{task}](experiments/records/{task}) | 1 epochs, 0 min | 20 test faces")
    for subject, key in said.items():
        accuracy = metrics["accuracy"] if key == "accuracy" else metrics[key]["accuracy"]
        assert f"{subject.replace('_', ' ')} seen" in head
        assert f"| {accuracy:.1%} |" in row
    assert row.endswith(f"| {metrics['mae_years']:.2f} years |" if task == "multi" else "|  |")
    assert table.index(row) < text.index(f"# {task}")  # its command stands among the others
    assert f"| [{task}]" not in text[: text.index("What else")]
    assert (root / f"experiments/records/{task}/confusion.png").exists() == (task == "gender")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "README.md").write_text("no marks"), "README.md lacks the line <!-- results -->"),
        (lambda root: shutil.rmtree(root / "experiments/records"), "there is no record of an age in"),
        (lambda root: (root / "experiments/records/age_cnn/history.csv").write_text("epoch\n"), "no whole record"),
        (lambda root: (root / "experiments/records/age_cnn/metrics.json").unlink(), "no whole record"),
        (lambda root: varied(root, "ablation/one", 6.0), "need one called base"),
    ],
)
def test_what_cannot_be_built_gets_one_line(root, capsys, spoil, message):
    spoil(root)
    before = (root / "README.md").read_text()
    assert main([], root) == 2
    assert message in capsys.readouterr().err
    assert (root / "README.md").read_text() == before


def test_a_record_is_not_overwritten_and_an_unfinished_run_is_not_kept(root, trained, tmp_path, capsys):
    assert main(["keep", str(trained[0]), "age_cnn"], root) == 2
    assert "File exists" in capsys.readouterr().err
    (tmp_path / "half").mkdir()
    assert main(["keep", str(tmp_path / "half"), "new"], root) == 2
    assert not (root / "experiments/records/new").exists()
