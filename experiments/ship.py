"""The weights that ship with the project, and the model card beside each: both made of a finished run on UTKFace.

python experiments/ship.py runs/NAME RECORD     writes models/weights/<model>_utkface.safetensors and .md

RECORD is the run's record in experiments/records. What multiplies, kernels and matrices, is stored as float16.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where models/ and experiments/ are

import numpy as np

import tinygrad_cnn as tg
from experiments.age.networks import MODELS
from experiments.age.records import Record, read_record
from experiments.tables import RECORDS, ROOT, faces_in, markdown
from tinygrad_cnn.files import write_file
from tinygrad_cnn.io import load_metadata
from tinygrad_cnn.train import AgeModel, load_age_model

WEIGHTS = Path("models", "weights")
MOST_BYTES = 5_000_000
CARD = """\
# {model}, trained on UTKFace

`{file}`: {parameters:,} parameters, {megabytes:.1f} MB; kernels and matrices are stored as float16. It takes a face
of {size}x{size} pixels and gives {answer}. It was trained from scratch: no weights of another network were used.

```sh
python experiments/utkface_age.py predict photo.jpg --weights models/weights/{file}
```

## Data, and their terms

{data_set}: {train:,} photographs of faces to train and {val:,} to choose the epoch, split so that copies of one
photograph are on one side. The labels of age are the data set's own, most of them estimates. The
[data set](https://susanqq.github.io/UTKFace/) is for non-commercial research only, and its images may not be
published; whoever uses these weights for something else has to settle that with its authors.

## Training

{epochs} epochs, {minutes:.0f} minutes on {threads} cores; the weights are those of epoch {best}.

```sh
{command}
```

Configuration, history and metrics: [{record}](../../experiments/records/{record}).

## What it gets wrong

On the {faces:,} validation faces, which also chose the epoch: mean absolute error **{mae:.2f} years**, root mean square
{rmse:.2f} years, {close:.0%} within 5 years. The median age for everybody is off by {median:.2f} years.
These are figures of the weights before they were stored as float16, and no face was held back in this run: they
flatter a little.

{tables}

A lean is the mean of predicted minus true age in years. Gender and race are what the data set's labels say, not what
people say of themselves; they were used to measure these errors alone. Groups of a few dozen faces say little.

## Limits

- It errs most where it saw fewest faces, and leans towards the ages that it saw most: teenagers are made older, the old
  younger.
- It sees apparent age, as a photograph shows it: light, make-up, health and blur change it. It knows no documents.
- It expects one upright face, cut out as in UTKFace. `predict` cuts faces out of photographs with OpenCV's detector,
  which misses profiles and tilted heads. Of a cut-out picture without a face the network tells an age as well.
- The tables above show by how much it serves some groups worse than others; groups that the data set does not name were
  not measured.

## Use

To learn and teach how such networks work, and to compare with. Not to decide about people: not for access by age, not
for hiring, not for identification, not for watching anybody.

## Probes

Ages that these weights see in pictures made of whole numbers alone, by `probes` in
[ship.py](../../experiments/ship.py). A test holds the package and the file to them, to 0.001 years.

{probes}
"""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line on the weights below `root`; gives 0, 1 where writing fails, or 2 for what can't be done."""
    parser = argparse.ArgumentParser(prog="ship.py", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("record", help="the name of its record in experiments/records")
    options = parser.parse_args(arguments)
    try:
        print(*ship(options.run, options.record, root), sep="\n")
        return 0
    except (ValueError, OSError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"ship.py: {told}", file=sys.stderr)
        return 1 if isinstance(error, OSError) and error.errno == errno.ENOSPC else 2


def ship(run: Path, record_name: str, root: Path) -> tuple[Path, Path]:
    """Write the weights of a run, and their card; gives both paths. Raises ValueError for what must not ship."""
    source = run / "best.safetensors"
    model, record = load_age_model(source, MODELS), read_record(root / RECORDS / record_name)
    if model.data != "UTKFace" or model.head.subjects != ("age",):
        raise ValueError(f"{source} tells {', '.join(model.head.subjects)} from {model.data}, not ages from UTKFace")
    if record.settings["model"] != type(model.model).__name__ or record.metrics["part"] != "val":
        raise ValueError(f"the record {record_name} is not one of this run, or was not measured on validation faces")
    file = type(model.model).__module__.rpartition(".")[2]  # models/age_cnn.py -> age_cnn
    path = root / WEIGHTS / f"{file}_utkface.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    tg.save({name: halved(array) for name, array in tg.load(source).items()}, path, load_metadata(source))
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} takes {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}")
    card = path.with_suffix(".md")
    write_file(card, model_card(path, record).encode())
    return path, card


def halved(array: np.ndarray) -> np.ndarray:
    """Kernels and matrices as float16; biases, norms and counts as they are. Raises ValueError beyond its range."""
    if array.ndim < 2 or array.dtype.kind != "f":
        return array
    if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
        raise ValueError(f"a weight of {np.abs(array).max():g} is beyond the range of float16")
    return array.astype(np.float16)


def model_card(path: Path, record: Record) -> str:
    """The card of the weights at `path`, in Markdown; its figures are the record's, its probes are computed."""
    model, metrics = load_age_model(path, MODELS), record.metrics
    groups = {kind: metrics[f"mae_years_by_{kind}"] for kind in ("decade", "gender", "race")}
    errors = {kind: _by_group(group) for kind, group in groups.items()}
    errors["decade"] += _leans(record)
    answer = "the mean of a distribution over ages" if record.settings["head"] == "expected" else "an age in years"
    return CARD.format(
        model=type(model.model).__name__,
        file=path.name,
        parameters=sum(parameter.numel() for parameter in model.model.parameters()),
        megabytes=path.stat().st_size / 1e6,
        size=model.image_size,
        answer=answer + (", averaged over the face and its mirror image" if model.flip else ""),
        data_set=metrics["data"],
        train=faces_in(record, "train"),
        val=faces_in(record, "val"),
        epochs=len(record.history),
        minutes=record.minutes,
        threads=record.settings["threads"],
        best=record.best[0],
        command=record.command,
        record=record.name,
        faces=metrics["faces"],
        mae=metrics["mae_years"],
        rmse=metrics["rmse_years"],
        close=metrics["share_within_5_years"],
        median=metrics["predicting_the_median"]["mae_years"],
        tables="\n\n".join(f"Mean absolute error in years by {kind}:\n\n{table}" for kind, table in errors.items()),
        probes=_probe_table(model),
    )


def probes(size: int) -> dict[str, np.ndarray]:
    """Pictures by name, uint8 RGB (1, size, size, 3), of whole-number arithmetic alone: the same everywhere."""
    down, across = np.mgrid[:size, :size] * 256 // size
    far = np.minimum(255, (np.square(down - 128) + np.square(across - 128)) // 64)
    squares = (down // 32 + across // 32) % 2 * 255
    grey = {"grey": np.full_like(down, 128), "shade": down, "disc": 255 - far, "squares": squares}
    pictures = {name: np.stack([one, one, one], axis=-1) for name, one in grey.items()}
    pictures["colours"] = np.stack([down, across, far], axis=-1)
    return {name: picture[None].astype(np.uint8) for name, picture in pictures.items()}


def seen_in_probes(model: AgeModel) -> dict[str, float]:
    """The age in years that the model sees in each probe."""
    return {name: float(model.predict(picture)[0]) for name, picture in probes(model.image_size).items()}


def _probe_table(model: AgeModel) -> str:
    return markdown([("probe", "age in years"), *((name, f"{age:.4f}") for name, age in seen_in_probes(model).items())])


def _by_group(groups: Mapping[str, Mapping[str, Any]]) -> str:
    counts = [f"{group['faces']:,}" for group in groups.values()]
    errors = [f"{group['mae_years']:.2f}" for group in groups.values()]
    return markdown([("", *groups), ("faces", *counts), ("error", *errors)])


def _leans(record: Record) -> str:
    """One more row of the decades' table: by how much the faces of each are made older, or younger."""
    true, predicted = np.array(record.predictions).T
    decades = true // 10
    leans = [float(np.mean((predicted - true)[decades == decade])) for decade in np.unique(decades)]
    return "\n| lean | " + " | ".join(f"{lean:+.2f}" for lean in leans) + " |"


if __name__ == "__main__":
    sys.exit(main())
