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
    if not records:
        raise ValueError(f"there is no record in {root / RECORDS}")
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
    """History, scatter and error by age; the last two where the record holds the predictions."""
    median = record.metrics["predicting_the_median"]
    name, data = record.settings["model"], record.metrics["data"]
    subject = f"{name} on {tested_on(record)}"
    columns = {column: record.column(column) for column in record.history[0] if column != "data"}
    columns["epoch"] = [int(epoch) for epoch in columns["epoch"]]
    to_beat = median["mae_years"] if record.metrics["part"] == "val" else None
    figures = {"history.png": viz.plot_history(columns, to_beat, f"{name} trained on {data}")}
    if record.predictions:
        true, predicted = np.array(record.predictions).T
        score = f"{subject}\nmean absolute error {record.metrics['mae_years']:.2f} years"
        figures["scatter.png"] = viz.plot_scatter(true, predicted, score)
        figures["error_by_age.png"] = viz.plot_error_by_age(true, predicted, median["median_years"], subject)
    return figures


def results(records: Sequence[Record], ablation: Sequence[Record]) -> str:
    """Markdown: the models, best first; the best one's errors by decade and plots; the ablation; the commands."""
    best = records[0]
    median = best.metrics["predicting_the_median"]
    parts = [
        models(records),
        f"Mean absolute error in years by decade of age, {tested_on(best)}; predicting the training median,"
        f" {median['median_years']:.0f}, for everybody is off by {median['mae_years']:.2f} years:",
        decades([record for record in records if tested_on(record) == tested_on(best)]),
        "\n".join(
            f"![{text}]({(RECORDS / best.name / name).as_posix()})"
            for text, name in (
                ("Loss and error, epoch by epoch", "history.png"),
                ("Predicted against true age", "scatter.png"),
            )
        ),
    ]
    if ablation:
        parts.append(ablated(ablation))
    parts.append("Configuration, history and metrics of each run are in its record. The commands:")
    parts.append("\n".join(["```sh", *(f"{record.command}  # {record.name}" for record in records), "```"]))
    return "\n\n".join(parts) + "\n"


def models(records: Sequence[Record]) -> str:
    head = ("record", "pictures", "trained for", "validation error", "tested on", "error", "RMSE", "within 5 years")
    rows = [
        (
            f"[{record.name}]({(RECORDS / record.name).as_posix()})",
            f"{record.settings['image_size']}x{record.settings['image_size']}",
            f"{len(record.history)} epochs, {record.minutes:.0f} min",
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
    rows = [("nothing: the base", f"{base.best[1]:.2f}", "", f"{base.minutes:.0f} min")]
    for record in sorted(records, key=lambda record: record.best[1]):
        if record is not base:
            difference = f"{record.best[1] - base.best[1]:+.2f}"
            switched = "; ".join(changes(base, record)) or "nothing"
            rows.append((switched, f"{record.best[1]:.2f}", difference, f"{record.minutes:.0f} min"))
    return "\n\n".join(
        [
            "What each part is worth: one thing changed at a time, all else alike.",
            markdown([("changed", "validation error", "difference", "time"), *rows]),
            f"The base is `{base.command}`.",
        ]
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
