"""The README's results, built from the records of the runs that gave them: tables, plots and commands.

python experiments/tables.py                       rebuilds what stands in README.md between the marks, and the plots
python experiments/tables.py keep runs/NAME AS     keeps a finished run as the record AS, such as ablation/no-ema

The records are the folders in experiments/records; those of the ablation, whose base is called base, are in ablation/.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where experiments/ is

import numpy as np

from experiments.age.records import Record, changes, keep_record, read_records
from experiments.age.report import PART_NAMES
from tinygrad_cnn import viz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
USES = {"train": "faces to train", "val": "to choose the epoch"}
RECORDS = Path("experiments", "records")
MARKS = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- /results -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line on the README and the records below `root`; gives 0, or 2 for what can't be done."""
    parser = argparse.ArgumentParser(prog="tables.py", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(dest="command")
    keeping = commands.add_parser("keep", help="keep a finished run as a record")
    keeping.add_argument("run", type=Path, help="its folder")
    keeping.add_argument("record", type=Path, help="the record's name, a folder below experiments/records")
    options = parser.parse_args(arguments)
    try:
        if options.command == "keep":
            keep_record(options.run, root / RECORDS / options.record)
        rebuild(root)
        return 0
    except (ValueError, OSError) as error:
        print(f"tables.py: {error}", file=sys.stderr)
        return 2


def rebuild(root: Path) -> None:
    """Write README.md anew between its marks, and the plots beside the records."""
    records = sorted(read_records(root / RECORDS), key=lambda record: record.best[1])
    if not any(record.settings["task"] == "age" for record in records):
        raise ValueError(f"there is no record of an age in {root / RECORDS}")
    ablation = read_records(root / RECORDS / "ablation")
    readme = (root / "README.md").read_text(encoding="utf-8")
    if not MARKS.search(readme):
        raise ValueError("README.md lacks the line <!-- results -->, or <!-- /results --> after it")
    for record in records:
        for name, figure in plots(record).items():
            figure.savefig(root / RECORDS / record.name / name)
    content = results(records, ablation)
    (root / "README.md").write_text(MARKS.sub(lambda _: content, readme), encoding="utf-8")


def plots(record: Record) -> dict[str, Figure]:
    """The history; scatter and error by age where the record holds predicted ages, and who was taken for whom."""
    always = record.metrics["predicting_the_median" if record.tells_age else "always_the_commonest"]
    name, data = record.settings["model"], record.metrics["data"]
    subject = f"{name} on {tested_on(record)}"
    columns = {column: record.column(column) for column in record.history[0] if column != "data"}
    columns["epoch"] = [int(epoch) for epoch in columns["epoch"]]
    to_beat = always["mae_years" if record.tells_age else "accuracy"] if record.metrics["part"] == "val" else None
    figures = {"history.png": viz.plot_history(columns, to_beat, f"{name} trained on {data}")}
    if not record.tells_age:
        title = f"{subject}\naccuracy {record.metrics['accuracy']:.1%}"
        matrix = np.array(record.metrics["confusion_matrix"])
        figures["confusion.png"] = viz.plot_confusion(matrix, record.metrics["classes"], title)
    if record.predictions:
        true, predicted = np.array(record.predictions).T
        score = f"{subject}\nmean absolute error {record.metrics['mae_years']:.2f} years"
        figures["scatter.png"] = viz.plot_scatter(true, predicted, score)
        figures["error_by_age.png"] = viz.plot_error_by_age(true, predicted, always["median_years"], subject)
    return figures


def results(records: Sequence[Record], ablation: Sequence[Record]) -> str:
    """Markdown: the models, best first; the best one's errors by decade and plots; other tasks; ablation; commands."""
    of_age = [record for record in records if record.settings["task"] == "age"]
    others = [record for record in records if record.settings["task"] != "age"]
    best = of_age[0]
    median = best.metrics["predicting_the_median"]
    parts = [
        models(of_age),
        f"Mean absolute error in years by decade of age, {tested_on(best)}; predicting the training median,"
        f" {median['median_years']:.0f}, for everybody is off by {median['mae_years']:.2f} years:",
        decades([record for record in of_age if tested_on(record) == tested_on(best)]),
        "\n".join(
            f"![{text}]({(RECORDS / best.name / name).as_posix()})"
            for text, name in (
                ("Loss and error, epoch by epoch", "history.png"),
                ("Predicted against true age", "scatter.png"),
            )
        ),
    ]
    if others:
        parts += ["What else the same networks learn of a face:", other_tasks(others)]
    if ablation:
        parts.append(ablated(ablation))
    parts.append("Configuration, history and metrics of each run are in its record. The commands:")
    parts.append("\n".join(["```sh", *(f"{record.command}  # {record.name}" for record in records), "```"]))
    return "\n\n".join(parts) + "\n"


def other_tasks(records: Sequence[Record]) -> str:
    """A row for each record whose task is not age alone, with what it learned of the faces it was tested on."""
    subjects = list(dict.fromkeys(subject for record in records for subject in record.accuracies))
    rows = [
        (
            linked(record),
            trained_for(record),
            tested_on(record),
            *(f"{record.accuracies[one]:.1%}" if one in record.accuracies else "" for one in subjects),
            f"{record.metrics['mae_years']:.2f} years" if record.tells_age else "",
        )
        for record in sorted(records, key=lambda record: record.name)
    ]
    said = [f"{subject.replace('_', ' ')} seen" for subject in subjects]
    return markdown([("record", "trained for", "tested on", *said, "error in age"), *rows])


def models(records: Sequence[Record]) -> str:
    head = ("record", "pictures", "trained for", "validation error", "tested on", "error", "RMSE", "within 5 years")
    rows = [
        (
            linked(record),
            f"{record.settings['image_size']}x{record.settings['image_size']}",
            trained_for(record),
            f"**{record.best[1]:.2f}**",
            tested_on(record),
            f"{record.metrics['mae_years']:.2f}",
            f"{record.metrics['rmse_years']:.2f}",
            f"{record.metrics['share_within_5_years']:.0%}",
        )
        for record in records
    ]
    used = " and ".join(f"{faces_in(records[0], part):,} {use}" for part, use in USES.items())
    about = f"Errors are mean absolute errors in years. {records[0].name} had {used}."
    return f"{about}\n\n{markdown([head, *rows])}"


def linked(record: Record) -> str:
    return f"[{record.name}]({(RECORDS / record.name).as_posix()})"


def trained_for(record: Record) -> str:
    return f"{len(record.history)} epochs, {record.minutes:.0f} min"


def faces_in(record: Record, part: str) -> int:
    faces = record.config["faces"]["parts"][part]
    return int(faces["count"] if isinstance(faces, dict) else faces)


def tested_on(record: Record) -> str:
    return f"{record.metrics['faces']:,} {PART_NAMES[record.metrics['part']]} ({record.metrics['data']})"


def decades(records: Sequence[Record]) -> str:
    tables = {record.name: record.metrics["mae_years_by_decade"] for record in records}
    tables["median"] = records[0].metrics["predicting_the_median"]["mae_years_by_decade"]
    counts = {decade: f"{row['faces']:,}" for decade, row in tables["median"].items()}
    rows = [
        (name, *(f"{table[decade]['mae_years']:.1f}" if decade in table else "" for decade in counts))
        for name, table in tables.items()
    ]
    return markdown([("age", *counts), ("faces", *counts.values()), *rows])


def ablated(records: Sequence[Record]) -> str:
    """Each run beside the base, what was changed in it, and the validation error that it came to."""
    bases = [record for record in records if record.name == "base"]
    if not bases:
        raise ValueError("the ablation's records need one called base, which the others differ from")
    (base,) = bases
    rows = [("nothing: the base", f"{base.best[1]:.2f}", "")]
    for record in sorted(records, key=lambda record: record.best[1]):
        if record is not base:
            difference = f"{record.best[1] - base.best[1]:+.2f}"
            switched = "; ".join(changes(base, record)) or "nothing"
            rows.append((switched, f"{record.best[1]:.2f}", difference))
    return "\n\n".join(
        [
            "What each part is worth: one thing changed at a time, all else alike.",
            markdown([("changed", "validation error", "difference"), *rows]),
            f"The base is `{base.command}`.",
        ]
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
