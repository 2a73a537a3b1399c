"""Write docs/mutation.md from what a run found and the reasons in survivors.json: `python -m tests.mutation.page`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutation.mutants import SEED, Mutant
from tests.mutation.run import ROOT, outcomes

TEXT = """# Which faults the tests find

A test that can't fail is worth nothing, so faults are put into the engine on purpose: `+` becomes `-`, `<` becomes
`<=`, 1 becomes 2, a loop meets no element, a decorator is gone. Some test should fail for each. It is done for
`autograd.py`, `ops/` and `kernels/`, with the operators of [cosmic-ray](https://cosmic-ray.readthedocs.io):

```sh
pip install -e ".[mutation]"
python -m tests.mutation.run --count {drawn}
python -m tests.mutation.page # writes this page
```

Of {places:,} places where an operator of cosmic-ray fits, {drawn:,} are drawn at random (seed {seed}), and for each one
of its mutants. {none:,} of these say what was said before (in a type hint), are no Python, or compile with a warning.
**Of the other {tried:,}, the tests found {first:,} ({first_share:.1%}) at first, and now find {killed:,}
({share:.1%}):** tests were added where these mutants showed that some were missing (`--again` tries them). The first
figure is what to expect of mutants that nobody has looked at. A change of a file changes the draw.

| file | mutants | found | not found |
| --- | ---: | ---: | ---: |
{table}

{ended:,} of those found ended the process or did not end, {unimportable:,} could not be imported; a test failed for the
others.

## Those that no test finds

{sentence}

{survivors}
"""


def page(results: list[dict[str, Any]], reasons: dict[str, dict[str, str]], places: int, since: int) -> str:
    """The page's text; `since`: how many passed once and are found now.

    A reason stands under its file and `before → after`; what has none is a gap.
    """
    tried = [x for x in results if x["outcome"] != "no mutant"]
    passed = [x for x in tried if x["outcome"] == "passed"]
    gaps = [x for x in passed if key(x) not in reasons.get(x["file"], {})]
    return TEXT.format(
        places=places,
        drawn=len(results),
        seed=SEED,
        none=len(results) - len(tried),
        tried=len(tried),
        killed=len(tried) - len(passed),
        first=len(tried) - len(passed) - since,
        first_share=1 - (len(passed) + since) / max(1, len(tried)),
        share=1 - len(passed) / max(1, len(tried)),
        table="\n".join(rows(tried)),
        ended=sum(x["outcome"] in {"died", "hung"} for x in tried),
        unimportable=sum(x["outcome"] == "cannot be imported" for x in tried),
        sentence=f"{len(gaps)} of them are gaps. The others change no result, or other tests find them.",
        survivors="\n".join(survivors(passed, reasons)),
    )


def rows(tried: list[dict[str, Any]]) -> Iterable[str]:
    for file in [*sorted({x["file"] for x in tried}), "all"]:
        here = [x for x in tried if file in (x["file"], "all")]
        missed = sum(x["outcome"] == "passed" for x in here)
        yield f"| {file} | {len(here):,} | {len(here) - missed:,} | {missed:,} |"


def survivors(passed: list[dict[str, Any]], reasons: dict[str, dict[str, str]]) -> Iterable[str]:
    for file in sorted({x["file"] for x in passed}):
        yield f"\n**{file}**\n"
        for x in sorted((x for x in passed if x["file"] == file), key=lambda x: x["line"]):
            why = reasons.get(file, {}).get(key(x), "a gap.")
            after = f"`{x['after']}`" if x["after"] else "gone"
            yield f"- `{x['before']}`<br>{after}<br>{why}"


def key(result: dict[str, Any]) -> str:
    return f"{result['before']} → {result['after']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build/mutants", help="where the run wrote")
    out = parser.parse_args().out
    reasons = json.loads((ROOT / "tests/mutation/survivors.json").read_text())
    drawn = json.loads((out / "drawn.json").read_text())
    places = len({(file, line, column) for file, _, _, line, column in drawn})
    results = outcomes(out / "results.jsonl")
    lines = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    passed_once = {Mutant(*(x[name] for name in Mutant._fields)) for x in lines if x["outcome"] == "passed"}
    since = sum(results[mutant]["outcome"] != "passed" for mutant in passed_once)
    text = page(list(results.values()), reasons, places, since)
    (ROOT / "docs/mutation.md").write_text(text)


if __name__ == "__main__":
    main()
