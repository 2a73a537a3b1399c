"""The report: a table that lines up, a chart with every bar in its place."""

from __future__ import annotations

import re

from experiments.benchmark import report
from experiments.benchmark.figures import Figure, Spread
from experiments.benchmark.rows import MS, TORCH, Unit


def a_figure(ratio: float, least: float | None = 1.0, aim: float | None = 2.0, **others: object) -> Figure:
    values = {"section": "Layers", "row": "conv", "title": "convolution", "unit": MS, "ours": 0.0123, "theirs": 0.0246,
              "rival": TORCH} | others  # fmt: skip
    return Figure(**values, ratio=Spread(ratio, ratio / 1.1, ratio * 1.1), least=least, aim=aim)


def test_values_have_three_digits_and_rates_are_turned_round():
    rate = Unit("images/s", 1, rate=True)
    shown = [report.value(unit, cost) for unit, cost in ((MS, 0.0123456), (MS, 1.5), (MS, 0.000999), (rate, 1 / 4321))]
    assert shown == ["12.3 ms", "1,500 ms", "1.00 ms", "4,321 images/s"]


def test_the_table_is_markdown_whose_columns_line_up():
    found = [a_figure(1.5), a_figure(0.5, title="a long title", rival="another"), a_figure(2.0, section="Other")]
    first, second = (part.splitlines() for part in report.table(found).split("\n\n"))
    assert len({len(line) for line in first}) == 1
    assert len({tuple(re.finditer(r"\|", line)).__len__() for line in first + second}) == 1
    assert [cell.strip() for cell in first[2].strip("|").split("|")] == [
        "convolution", "12.3 ms", "PyTorch: 24.6 ms", "1.50x", "1.36x to 1.65x", "1.00x", "2.00x", "reached",
    ]  # fmt: skip
    assert first[3].startswith("| a long title |")
    assert "below" in first[3]
    assert second[0].startswith("| Other")


def test_the_chart_has_a_bar_for_each_figure_from_one_outwards(tmp_path):
    found = [a_figure(1.5), a_figure(0.5), a_figure(99.0, None, None, section="Other")]
    picture = report.chart(found, ["a machine"])
    bars = picture.axes[0].patches
    ends = [sorted((bar.get_x(), bar.get_x() + bar.get_width())) for bar in bars]
    assert ends == [[1, 1.5], [0.5, 1], [1, report.WIDEST]]
    assert [text for text in ("convolution", "0.50x", "99.0x", "Other") if text not in texts(picture)] == []
    picture.savefig(tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 10_000


def texts(picture) -> set[str]:
    return {text.get_text() for text in picture.axes[0].texts}
