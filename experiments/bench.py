"""How fast tinygrad_cnn is, and beside what: every figure from contenders that take turns on one machine.

    python experiments/bench.py                       all rows; table, shares of time, bench.png (about 20 minutes)
    python experiments/bench.py --quick               the same in a few minutes, and with more noise
    python experiments/bench.py --rows 'train|infer'  the rows whose names match; --list names them all

Contenders are those of PyTorch, JAX and HIPS autograd that are installed: pip install -e ".[bench]". Each has a
process of its own with the same number of threads, and does its turn when it is told to: A B C, A B C, ... Before,
all must compute the same numbers. A ratio is a rival's cost over ours, both of the same round. What was tried and
did not make it faster: experiments/bench_notes.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where experiments/ is

import tinygrad_cnn as tg
from experiments.age.options import PICTURES, Parser
from experiments.benchmark import report
from experiments.benchmark.figures import Figure, figures
from experiments.benchmark.harness import Race, run_race, worker
from experiments.benchmark.machine import is_installed, machine
from experiments.benchmark.rows import ROWS, Row
from tinygrad_cnn.profiler import profile
from tinygrad_cnn.progress import progress_bar

PROFILED_STEPS = 10
FACES, QUICK_FACES = 512, 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives 0, or 1 where a contender failed, or 2 for a bad option."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    rows = [row for row in ROWS if options.rows.search(row.name)]
    if options.list:
        print("\n".join(f"{row.name:<14} {row.title}" for row in rows))
        return 0
    if not rows:
        print(f"bench.py: --rows: no row is named like {options.rows.pattern!r} (--list names them)", file=sys.stderr)
        return 2
    about = machine(options.threads)
    print(*report.about(about, options.rounds, options.seconds), sep="\n")
    packages = {call.needs for row in rows for call in row.contenders.values()}
    if missing := sorted(package for package in packages if not is_installed(package)):
        print(f"not installed, so not among the contenders: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        if any(row.faces for row in rows) and is_installed("cv2"):
            from experiments.benchmark.age_job import fill_with_faces

            try:
                about["pictures"] = fill_with_faces(Path(folder), options.faces, options.data_dir)
            except ValueError as error:
                print(f"bench.py: --data-dir: {error}", file=sys.stderr)
                return 2
            print(f"pictures: {about['pictures']}")
        races = {}
        with progress_bar("bench", len(rows), "rows") as bar:
            for row in rows:
                bar.set_postfix_str(row.title)
                if bar.disable:  # nobody sees a bar: a line for each row
                    print(f"{row.title} ...", file=sys.stderr, flush=True)
                races[row.name] = run(row, options, folder)
                bar.update()
    shares = profile_training_step(options.threads)
    return tell(options, about, rows, races, shares)


def tell(
    options: argparse.Namespace, about: dict[str, Any], rows: Sequence[Row], races: dict[str, Race], shares: profile
) -> int:
    """Print the table and what failed, write the chart and the JSON file; gives the exit status."""
    found = [figure for row in rows for figure in figures(row, races[row.name])]
    print("", report.table(found), "", sep="\n")
    for row in rows:
        for name, why in races[row.name].failures.items():
            print(f"{row.title}: {name} failed: {why}")
    print(f"Where the time of {PROFILED_STEPS} AgeCNN training steps of 32 images goes:", shares, sep="\n")
    if options.json is not None:
        options.json.write_text(json.dumps(as_dict(options, about, rows, races, found, shares), indent=1) + "\n")
    if found and not is_installed("matplotlib"):
        print("\nThere is no chart, for matplotlib is not installed.")
    elif found:
        report.chart(found, report.about(about, options.rounds, options.seconds)).savefig(options.chart)
        print(f"\nThe chart is in {options.chart}.")
    return 1 if any(race.failures for race in races.values()) else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="bench.py", description=__doc__, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--rows", type=_pattern, default=re.compile(""), metavar="REGEX", help="only rows so named")
    parser.add_argument("--list", action="store_true", help="name these rows, and measure nothing")
    parser.add_argument("--rounds", type=_positive_int, metavar="N", help="turns of each contender (default: 10)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of short turns")
    parser.add_argument("--threads", type=_positive_int, default=tg.get_num_threads(), metavar="N",
                        help="for each contender (default: %(default)s, the cores that may be used)")  # fmt: skip
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="UTKFace, instead of drawn faces")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    parser.add_argument("--chart", type=Path, default=Path("bench.png"), metavar="FILE", help="default: %(default)s")
    options = parser.parse_args(arguments)
    if options.threads > tg.get_num_threads():
        parser.error(f"--threads: this process may use {tg.get_num_threads()} cores, so not {options.threads}")
    for path in filter(None, (options.json, options.chart)):  # now, not after twenty minutes
        if not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}")
        if path.is_dir():
            parser.error(f"{path} is a folder; name a file")
    if options.chart.suffix.lower() not in PICTURES:
        parser.error(f"--chart: {options.chart} must end in one of {', '.join(PICTURES)}")
    options.rounds = options.rounds or (3 if options.quick else 10)
    options.seconds = 0.1 if options.quick else 0.5
    options.faces = QUICK_FACES if options.quick else FACES
    return options


def run(row: Row, options: argparse.Namespace, folder: str) -> Race:
    """One row, with those of its contenders whose packages are installed."""
    given: dict[str, Any] = {"threads": options.threads} | ({"folder": folder} if row.faces else {})
    contenders = [
        worker(name, call.where, {**call.arguments, **given})
        for name, call in row.contenders.items()
        if is_installed(call.needs)
    ]
    return run_race(contenders, options.rounds, options.seconds, options.threads, row.fresh)


def profile_training_step(threads: int) -> profile:
    """The package's own profiler over some AgeCNN steps, in this process."""
    from experiments.benchmark.torch_like import make

    task = make("training_step", "tinygrad_cnn", threads, network="AgeCNN", batch=32)
    task.step()
    with profile() as shares:
        for _ in range(PROFILED_STEPS):
            task.step()
    return shares


def as_dict(
    options: argparse.Namespace,
    about: dict[str, Any],
    rows: Sequence[Row],
    races: dict[str, Race],
    found: Sequence[Figure],
    shares: profile,
) -> dict[str, Any]:
    """Everything, for --json. Costs are in the row's unit, one for each round."""
    return {
        "machine": about,
        "rounds": options.rounds,
        "seconds_per_turn": options.seconds,
        "rows": [
            {
                "name": row.name,
                "title": row.title,
                "unit": row.unit.name,
                "rounds": {name: list(map(row.unit.of, costs)) for name, costs in races[row.name].costs.items()},
                "failures": races[row.name].failures,
                "figures": [figure.as_dict() for figure in found if figure.row == row.name],
            }
            for row in rows
        ],
        "primitives": [cost._asdict() for cost in shares.costs],
    }


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nbench.py: interrupted", file=sys.stderr)
        sys.exit(130)
