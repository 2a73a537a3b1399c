"""The page as text: complete, escaped, and honest about where the run stands."""

import html
import itertools
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.viz.reports import MATRIX, classification, history, history_of_classes, outcome, report
from tinygrad_cnn.viz.report import render
from tinygrad_cnn.viz.report.markup import WITHOUT_END

NASTY = '<b>&"quoted"\'</title></script><script>alert(1)</script>'


class Outline(HTMLParser):
    """Tags that are open, headings in order, ids, texts by id, and what `<data>` says."""

    def __init__(self, page):
        super().__init__()
        self.open, self.headings, self.ids, self.links, self.names = [], [], [], [], set()
        self.problems, self.data = [], {}
        self.feed(page)
        self.problems += [f"{name} is never closed" for name in self.open]

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.names.add(name)
        if name not in WITHOUT_END:
            self.open.append(name)
        if re.fullmatch("h[1-6]", name):
            self.headings.append(int(name[1]))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if name == "a":
            self.links.append(attributes["href"])
        if name == "img" and "alt" not in attributes:
            self.problems.append("a picture without alt")
        if "data-figure" in attributes:
            self.data.setdefault(attributes["data-figure"], float(attributes["value"]))

    def handle_endtag(self, name):
        if not self.open or self.open.pop() != name:
            self.problems.append(f"{name} closes something else")


def images(count=136):
    return {place: np.full((8, 8, 3), place, np.uint8) for place in range(count)}


def full(**more):
    """A report with every section."""
    more.setdefault("filters", np.random.default_rng(0).normal(size=(16, 3, 3, 3)))
    more.setdefault("graph", '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg width="10pt"><g id="graph0"></g></svg>\n')
    more.setdefault("config", {"settings": {"epochs": 10, "name": None}, "faces": {"parts": {"train": 5}},
                               "command_line": ["utkface_age.py"], "versions": {"numpy": "2.0"}})  # fmt: skip
    return report(outcome=outcome(images=images()), baseline=15.0, **more)


@pytest.mark.parametrize("state", ["running", "finished", "stopped"])
def test_the_page_is_well_formed_and_its_links_lead_somewhere(state):
    outline = Outline(render(full(state=state)))
    assert outline.problems == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert outline.links
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert {"header", "nav", "main", "footer"} <= outline.names


def test_headings_leave_out_no_level():
    headings = Outline(render(full())).headings
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(headings))


def test_nothing_is_loaded_from_anywhere():
    page = render(full())
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_what_the_user_names_is_escaped_everywhere():
    clean = Outline(render(full(state="stopped", name="x", reason="y")))
    config = {"settings": {NASTY: NASTY}, "command_line": [NASTY], NASTY: [NASTY]}
    page = render(full(state="stopped", name=NASTY, reason=NASTY, config=config))
    assert page.count("<script>") == render(full()).count("<script>") == 1
    assert "<b>&" not in page
    assert Outline(page).names == clean.names
    assert page.count("&lt;script&gt;alert(1)") >= 6


def test_the_figures_stand_in_the_page_to_the_last_digit():
    shown = full(state="finished")
    metrics, data = shown.outcome.metrics, Outline(render(shown)).data
    for key in ("mae_years", "rmse_years", "share_within_5_years"):
        assert data[key] == metrics[key]
    assert data["median_mae_years"] == metrics["predicting_the_median"]["mae_years"]
    for decade, figures in metrics["mae_years_by_decade"].items():
        assert data[decade] == figures["mae_years"]


def test_a_running_page_tells_progress_and_time_left():
    page = render(report())  # 4 of 10 epochs in 8 minutes
    assert "epoch 4 of 10 done, 12 min left, until about 21:20" in page
    assert '<progress value="4" max="10"' in page
    assert "<title>4/10 · 8.00 years · first try</title>" in page


def test_an_end_on_another_day_is_named_with_the_day():
    assert "4 h left, until about Thursday, 01:08" in render(report(epochs=124))


def test_before_the_first_epoch_the_page_says_that_it_is_under_way():
    page = render(report(history=[], outcome=None, minutes=0))
    assert "epoch 1 of 10 is under way" in page
    assert Outline(page).problems == []
    assert 'id="training"' not in page


def test_after_the_last_epoch_the_page_waits_for_the_test():
    assert "all 4 epochs are done; the best weights are being tested" in render(report(epochs=4))


def test_only_a_running_page_refreshes_itself():
    running, finished, stopped = (render(report(state)) for state in ("running", "finished", "stopped"))
    assert '<noscript><meta http-equiv="refresh" content="120"></noscript>' in running
    assert 'data-due="120.0" data-interval="6.0" data-patience="360.0"' in running
    for page in (finished, stopped):
        assert 'http-equiv="refresh"' not in page
        assert "data-patience" not in page
        assert 'id="pause"' not in page


def test_a_stopped_page_tells_where_and_why():
    assert "after 4 of 10 epochs: interrupted" in render(report("stopped", reason="interrupted"))


def test_a_finished_page_tells_how_long_it_took():
    page = render(report("finished", epochs=4))
    assert "4 epochs in 8 min" in page
    assert "<title>5.59 years · first try</title>" in page  # of the test faces


def test_a_long_run_shows_no_more_epochs_than_it_may_soon_need():
    def labels(**more):
        axis = re.findall(r'<div class="x" aria-hidden="true">(.*?)</div>', render(report(**more)))[0]
        return [int(label) for label in re.findall(r">(\d+)<", axis)]

    assert labels(epochs=100) == [2, 4, 6, 8, 10]  # 4 are done
    assert labels(epochs=4) == labels(epochs=100, state="finished") == [1, 2, 3, 4]


def test_the_best_and_the_worst_faces_are_shown_with_both_ages():
    page = render(full())
    assert page.count('alt="a face of age') == 16
    assert page.index("Closest") < page.index("seen as 23") < page.index("Farthest off") < page.index("seen as 41")
    assert "\u221260.0" in page


def test_few_faces_are_not_shown_twice():
    few = outcome([20.0, 30.0, 40.0], [21.0, 35.0, 70.0], images=images(3))
    page = render(report(outcome=few))
    assert page.count('alt="a face of age') == 2
    assert "age 20, predicted 21" in page
    assert "age 40, predicted 70" in page
    assert 'id="faces"' not in render(report(outcome=outcome([20.0], [21.0])))


def test_a_prediction_without_error_has_no_sign():
    page = render(report(outcome=outcome([20.0, 40.0], [19.99, 70.0], images=images(2))))
    assert '<b class="good">0.0</b>' in page


def test_without_dot_the_page_says_how_to_get_it():
    for graph in ("", "no drawing"):
        page = render(full(graph=graph))
        assert "apt install graphviz" in page
        assert Outline(page).problems == []
    assert 'id="graph"' not in render(full(graph=None))  # there is nothing to draw


def test_terms_of_use_are_named_under_faces_that_are_not_drawn():
    assert "mind their terms of use" in render(full())
    assert "terms of use" not in render(full(synthetic=True))
    assert "terms of use" not in render(report())  # shows no faces


def test_a_command_can_be_pasted_into_a_shell():
    command = ["experiments/utkface_age.py", "--data-dir", "my faces", "--name", "a$b"]
    (shown,) = re.findall(r'class="command">(.*?)</code>', render(full(config={"command_line": command})))
    assert shlex.split(html.unescape(shown)) == ["python", *command]


def test_the_graph_stands_in_the_page_without_its_prologue():
    page = render(full())
    assert '<g id="graph0">' in page
    assert "<?xml" not in page
    assert page.count("<!DOCTYPE") == 1


def test_what_was_left_open_is_not_in_the_configuration():
    page = render(full())
    assert "<dt>epochs</dt><dd>10</dd>" in page
    assert "<dt>parts, train</dt><dd>5</dd>" in page
    assert "<dt>name</dt>" not in page


def test_settings_read_as_words():
    page = render(
        full(config={"settings": {"live": False, "decay_all": True, "augment": ["flip", "shift"], "sizes": []}})
    )
    assert "<dt>live</dt><dd>no</dd>" in page
    assert "<dt>decay all</dt><dd>yes</dd>" in page
    assert "<dt>augment</dt><dd>flip, shift</dd>" in page
    assert "<dt>sizes</dt>" not in page


def test_long_hashes_are_cut_and_kept_as_a_hint():
    page = render(full(config={"git_commit": "0123456789abcdef" * 4}))
    assert f'<dd title="{"0123456789abcdef" * 4}">0123456789ab…</dd>' in page


def test_every_epoch_is_in_the_table_behind_the_curves():
    page = render(full(history=history([9.5, 8.25])))
    table = page[page.index('id="history"') :]
    assert re.findall(r'<th scope="row">(\d+)</th>', table[: table.index("</table>")]) == ["1", "2"]
    assert "<td>8.25</td>" in table


def test_the_table_behind_the_density_counts_every_face_once():
    page = render(full())
    table = page[page.index('id="spread"') :]
    cells = re.findall(r"<td>(\d+)</td>", table[: table.index("</table>")])
    assert sum(map(int, cells)) == 136


def test_where_the_pictures_grow_is_marked_in_the_curves_and_told_in_the_table():
    rows = history([5.0, 4.0, 9.0, 8.0, 8.5], sizes=[64, 64, 96, 96, 96])
    page = render(full(history=rows, epochs=5, state="finished"))
    assert page.count('class="line growth" d="M40.00 0V100"') == 3  # error, loss, throughput
    assert page.count("larger pictures: 96x96 from epoch 3") == 3
    assert "best 8.00, epoch 4" in page
    assert Outline(page).data["val_mae_years"] == 8.0
    assert '<th scope="col">pixels</th>' in page
    assert "pixels</th>" not in render(full(history=history([5.0, 4.0], sizes=[64, 64])))


def test_a_run_of_a_thousand_epochs_makes_a_page_of_reasonable_size():
    page = render(full(history=history([1000 / (i + 50) for i in range(1000)]), epochs=1000))
    assert len(page) < 1_000_000


# -- classes, and evaluations -----------------------------------------------------------------------------


def of_classes(**more):
    """A report on a network that tells an age group and no age."""
    more.setdefault("classes", [classification(images=images(155))])
    more.setdefault("history", history_of_classes([0.4, 0.6, 0.5, 0.55]))
    return report(outcome=None, baseline=0.645, **more)


@pytest.mark.parametrize("state", ["running", "finished", "stopped"])
def test_a_page_of_classes_is_well_formed_and_speaks_of_no_years(state):
    page = render(of_classes(state=state))
    outline = Outline(page)
    assert outline.problems == []
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert "age-group" in outline.ids
    assert "years" not in page[page.index("<body") : page.index("<script>")]


def test_the_confusion_matrix_is_a_table_coloured_by_share():
    page = render(of_classes())
    table = page[page.index('class="matrix"') :]
    table = table[: table.index("</table>")]
    cells = re.findall(r'class="cell shade(\d)" title="(\d+)%">(\d+)<', table)
    assert [int(count) for _, _, count in cells] == np.ravel(MATRIX).tolist()
    assert cells[0] == ("5", "80", "40")  # of six shades
    assert cells[2] == ("0", "0", "0")
    assert cells[-1] == ("6", "100", "5")


def test_the_figures_of_a_page_of_classes_are_those_of_the_metrics():
    shown = of_classes(state="finished")
    (of,), data, page = shown.classes, Outline(render(shown)).data, render(shown)
    assert data["accuracy"] == data["network_accuracy"] == of.metrics["accuracy"]
    assert data["commonest_accuracy"] == of.metrics["always_the_commonest"]["accuracy"]
    assert data["val_accuracy"] == 0.6
    for name, figures in of.metrics["accuracy_by_class"].items():
        assert data[f"age group {name}"] == figures["accuracy"]
    assert "<title>67.7% right · first try</title>" in page
    assert "best 60.0, epoch 2" in page
    assert "commonest class 64.5" in page
    assert "<td>60.0%</td>" in page[page.index('id="history"') :]


def test_a_class_that_is_never_said_and_one_without_faces_do_no_harm():
    page = render(of_classes(classes=[classification([[5, 0, 0], [5, 0, 0], [0, 0, 0]])]))
    assert "never said" in page
    assert Outline(page).problems == []


def test_the_surest_answers_are_shown_right_and_wrong():
    page = render(of_classes())
    assert page.index("Surest and right") < page.index("Surest and wrong")
    assert page.count('alt="a face, child, seen as child"') == 8
    assert page.count('alt="a face, child, seen as adult"') == 8
    assert "Surest and wrong" not in render(
        of_classes(classes=[classification([[5, 0], [0, 5]], ("a", "b"), images=images(10))])
    )
    assert "terms of use" in page
    assert "terms of use" not in render(of_classes(classes=[classification()]))


def test_a_network_of_several_answers_has_the_age_first_and_a_section_and_a_curve_for_each_other():
    rows = [{**row, "train_gender_accuracy": 0.9, "val_gender_accuracy": 0.8} for row in history([9.5, 8.25])]
    page = render(full(history=rows, classes=[classification([[40, 10], [5, 45]], ("male", "female"), "gender")]))
    assert Outline(page).problems == []
    assert page.index('id="predictions"') < page.index('id="gender"') < page.index('id="faces"')
    assert "<h3>Gender accuracy</h3>" in page
    assert 'data-figure="gender accuracy">85.0%<' in page
    assert 'alt="a face of age' in page
    assert "Surest" not in page


def test_an_evaluation_is_a_page_without_curves():
    for content in (report("finished", epochs=0, history=[]), of_classes(state="finished", epochs=0, history=[])):
        page = render(content)
        assert Outline(page).problems == []
        assert "took 8 min" in page
        assert 'id="training"' not in page
        assert "first epoch" not in page
