"""The report: parts appear with their data, nothing comes from a network, everything is escaped."""

import json
import math
import re

from nasforge import CellGraph
from nasforge.charts.svg import inline
from nasforge.journal.run_folder import RunFolder
from nasforge.report.curves import fit_charts
from nasforge.report.page import write_report
from nasforge.statistics.verdicts import control_verdict

CELL = CellGraph("normal cell", ("in", "out"), ((0, 1, "sep_conv_3x3"),))
RESULT = {
    "strategy": "egnas",
    "space": "darts",
    "data": "digits",
    "seed": 0,
    "status": "finished",
    "architecture": {"schema": 1, "space": "darts", "genes": {}, "notation": "Genotype(normal=[('sep_conv_3x3', 0)])"},
    "size": {"params_m": 3.2, "macs_m": 500.0},
    "objectives": [{"metric": "accuracy", "direction": "max", "report_only": False}],
    "metrics": {},
    "control": None,
    "retrain": None,
    "evaluations": {"requested": 0, "distinct": 0},
    "failures": [],
    "notes": [],
    "next": [{"command": "nasforge retrain RUN", "why": "train it longer"}],
}
ROW = {"notation": "Genotype(...)", "params_m": 0.05, "macs_m": 1.2}
RETRAIN = {
    "epochs": 6,
    "rows": [
        {**ROW, "name": "found", "seeds": [0, 1, 2], "test_accuracy": [0.98, 0.97, 0.99], "mean": 0.98, "std": 0.01},
        {**ROW, "name": "random 1", "seeds": [0], "test_accuracy": [0.975], "mean": 0.975, "std": 0.0},
    ],
    "random": {"mean": 0.975, "std": 0.0},
    "sentence": "Trained from scratch it does not stand out.",
}


def written(folder, files, **changes):
    (folder / "result.json").write_text(json.dumps(RESULT | changes, default=vars))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return write_report(folder, [CELL]).read_text()


def test_a_result_alone_makes_a_report(tmp_path):
    page = written(tmp_path, {})
    assert "Found by egnas on darts, digits" in page
    assert "sep 3×3" in page
    for absent in (
        "How it was run",
        "Is it better than chance?",
        "Trained from scratch",
        "Curves",
        "Where the time went",
        "Configuration",
    ):
        assert absent not in page
    assert f"nasforge retrain {tmp_path}" in page


def test_every_part_appears_with_its_data(tmp_path):
    page = written(
        tmp_path,
        {
            "timing.json": {"seconds": {"fit supernet": 30.0, "control": 2.0}, "total": 33.0},
            "fits/supernet/history.json": {
                "metrics": {"train_loss": [2.0, 1.0], "es_accuracy": [None, 0.5]},
                "epochs": 2,
            },
            "config.yaml": "seed: 0\n",
            "environment.json": {"torch": "2.15.0"},
            "data.json": {"name": "digits", "validation images": list(range(50))},
            "evaluations.json": [
                {"notation": "a", "metrics": {"accuracy": 0.5, "params_m": 1.0}, "status": "ok"},
                {"notation": "b", "metrics": {}, "status": "failed"},
                {"notation": "c", "metrics": {"accuracy": 0.7, "params_m": 2.0}, "status": "ok"},
            ],
            "artifacts/front.svg": '<svg viewBox="0 0 10 10"><circle cx="5" cy="5" r="2"/></svg>',
            "artifacts.json": [{"file": "artifacts/front.svg", "caption": "the front of the search"}],
        },
        control=control_verdict(0.6, [0.1 * i for i in range(20)]),
        retrain=RETRAIN,
    )
    for part in (
        "Is it better than chance?",
        "98.00 ± 1.00 % test accuracy",
        "± 1.00, deviation over 3 seeds",
        "found: 60.0%",
        "Curves",
        "Where the time went",
        "fit supernet",
        "everything else",
        "seed: 0",
        "2.15.0",
        "50 in data.json",
        "Best candidates",
        "the front of the search",
        "stands at percentile 30 among 20 random ones (95 % interval 12 to 54), and trained from scratch it does not",
    ):
        assert part in page, part


def test_it_needs_no_network_no_script_and_turns_dark(tmp_path):
    page = written(tmp_path, {}, control=control_verdict(0.6, [0.5] * 20))
    assert not re.search(r'(?:src|href)\s*=\s*"(?!data:|#)', page)
    assert "<script" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page
    assert "var(--paper)" in page


def test_everything_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    page = written(
        tmp_path,
        {
            "config.yaml": evil,
            "data.json": {"class names": [evil]},
            "artifacts/x.svg": f'<svg viewBox="0 0 1 1">{evil}</svg>',
            "artifacts.json": [{"file": "artifacts/x.svg", "caption": evil}],
        },
        notes=[evil],
        failures=[{"architecture": evil, "reason": evil}],
    )
    assert "<script" not in page


def test_a_picture_that_reaches_outside_is_no_part_of_the_page():
    for inside in (
        '<use href="http://somewhere/x.svg#a"/>',
        '<path style="fill: url(http://somewhere/x)"/>',
        '<path/onclick="alert(1)"/>',
        "<foreignObject><p>x</p></foreignObject>",
        '<a href="javascript:alert(1)"><path/></a>',
        '<g style="position:fixed; inset:0"><path/></g>',
        '<g style="fill: red; p&#111;sition: fixed"><path/></g>',
        '<g class="tile"><path/></g>',
        '<g onload="alert(1)"><path/></g>',
        '<path style="fill: image-set(&quot;http://somewhere/x&quot;)"/>',
        '<path style="fill: u\\72l(http://somewhere/x)"/>',
        '<path fill="url(&#104;ttp://somewhere/x)"/>',
        '<svg transform="translate(-500)"><path/></svg>',
        "<path id='x' onclick='alert(1)'/>",
        '<path d="M0 0',
    ):
        assert inline(f'<svg viewBox="0 0 1 1">{inside}</svg>', "x", "").startswith("<img src=")
    own = '<svg viewBox="0 0 1 1"><defs><path id="a"/></defs><use xlink:href="#a"/></svg>'
    assert inline(own, 'x" onload="', '"<b>') == (
        '<svg viewBox="0 0 1 1" width="1" role="img" aria-label="&quot;&lt;b&gt;">'
        '<defs><path id="x--onload---a"/></defs><use xlink:href="#x--onload---a"/></svg>'
    )


def test_what_our_charts_are_made_of_becomes_part_of_the_page(tmp_path):
    page = written(
        tmp_path,
        {"fits/supernet/history.json": {"metrics": {"train_loss": [2.0, 1.0], "es_loss": [None, 0.5]}}},
        control=control_verdict(0.6, [0.5] * 20),
    )
    assert "<img" not in page
    assert page.count("<svg") == 4  # the cell both ways, the control, the loss


def test_only_pictures_of_the_run_itself_are_shown(tmp_path):
    run, secret = tmp_path / "run", "root:x:0:0"
    run.mkdir()
    (tmp_path / "outside.svg").write_text(f'<svg viewBox="0 0 9 9"><text>{secret}</text></svg>')
    (run / "link.svg").symlink_to(tmp_path / "outside.svg")
    (run / "data.json").symlink_to(tmp_path / "outside.json")
    (tmp_path / "outside.json").write_text(json.dumps({"name": secret}))
    names = ["../outside.svg", str(tmp_path / "outside.svg"), "link.svg", "/etc/passwd", "config.yaml"]
    page = written(run, {"config.yaml": secret, "artifacts.json": [{"file": name, "caption": name} for name in names]})
    assert page.count("This run has no picture ") == len(names)
    assert page.count(secret) == 1  # its own configuration
    assert "<img" not in page
    assert "root:" not in page.replace(secret, "")


def test_pictures_have_ids_of_their_own(tmp_path):
    fits = {f"fits/retrain/{name}/history.json": {"metrics": {"train_loss": [2.0, 1.0]}} for name in ("found/0", "x/1")}
    page = written(tmp_path, fits, control=control_verdict(0.6, [0.5] * 20))
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_fits_of_one_group_share_charts_by_kind(tmp_path):
    history = {"metrics": {"train_accuracy": [0.1, None, 0.5], "train_loss": [2.0, 1.0, math.nan]}}
    names = ["supernet", "retrain/found/seed-0", "retrain/found/seed-1", "retrain/random 1/seed-0"]
    for name in names:
        file = tmp_path / "fits" / name / "history.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(history))
    charts = fit_charts(RunFolder(tmp_path))
    assert [(group, [chart.title for chart in drawn]) for group, drawn in charts] == [
        ("supernet", ["accuracy", "loss"]),
        ("retrain", ["accuracy", "loss"]),
    ]
    shared = charts[1][1][0].svg
    assert shared.count(">found<") == shared.count(">random<") == 1


def test_estimates_without_a_value_are_passed_over(tmp_path):
    rows = [
        {"notation": "a", "metrics": {"accuracy": math.nan, "params_m": 1.0}, "status": "ok"},
        {"notation": "b", "metrics": {"params_m": 1.0}, "status": "ok"},
        {"notation": "<c>", "metrics": {"accuracy": 0.7, "params_m": 2.0}, "status": "ok"},
    ]
    page = written(tmp_path, {"evaluations.json": rows})
    assert page.index("<code>&lt;c&gt;</code>") < page.index("<code>a</code>")


def test_the_headline_is_what_the_search_followed_foremost(tmp_path):
    objectives = [{"metric": "snip", "direction": "max", "label": "SNIP"}, {"metric": "fisher", "direction": "max"}]
    found = {"fisher": 0.25, "snip": 4.5}  # as they come out of a file, in order of the alphabet
    estimates = {"requested": 9, "distinct": 9}
    page = written(
        tmp_path, {}, objectives=objectives, metrics=found, evaluations=estimates, followed=["snip", "fisher"]
    )
    assert re.search(r"<h1>\s*4.5 SNIP\s*</h1>", page)


def test_what_a_table_knows_shows_how_near_the_found_one_is(tmp_path):
    known = {
        "accuracy": {"about": "validation, 12 epochs", "optimum": 0.8489},
        "params_m": {"about": "of the whole network", "optimum": 0.07},
    }
    found = {"accuracy": 0.8453, "params_m": 1.07, "inherited": 0.0}
    estimates = {"requested": 9, "distinct": 9, "constant": ["inherited"]}
    page = written(tmp_path, {}, known=known, metrics=found, evaluations=estimates, followed=["accuracy"])
    text = re.sub(r"<[^>]*>", " ", page)
    assert re.search(r"accuracy, followed\s+84\.53 %\s+84\.89 %\s+0\.36 points\s+Validation, 12 epochs", text)
    assert re.search(r"parameters, millions\s+1\.07\s+0\.07\s+–\s+Of the whole network", text)
    assert "tensors inherited" not in text  # all candidates have the same


def test_each_class_has_its_row_and_the_matrix_adds_up(tmp_path):
    facts = {"class names": ["cat", "<dog>"], "trainings": 2, "counts": [[15, 5], [2, 38]]}
    page = written(
        tmp_path,
        {
            "confusion.json": facts,
            "data.json": {"name": "x", "reading": "the middle <square>", "class counts": {"cat": 41, "<dog>": 40}},
        },
        retrain=RETRAIN,
    )
    assert "Networks see the middle &lt;square&gt;." in page
    text = re.sub(r"<[^>]*>", " ", page)
    assert re.search(r"cat\s+41\s+10\s+75\.0\s+&lt;dog&gt; \(25\.0 %\)", text)
    assert re.search(r"&lt;dog&gt;\s+40\s+20\s+95\.0\s+cat \(5\.0 %\)", text)
    assert "cat predicted as &lt;dog&gt;: 25.0 %" in page


def test_curves_are_explained_by_the_module_that_recorded_them(tmp_path):
    metrics = {"es_accuracy": [None, 0.5], "train_accuracy": [0.1, 0.2]}
    about = {"es_accuracy": "the best <individual>", "train_accuracy": "while the weights move"}
    page = written(tmp_path, {"fits/supernet/history.json": {"metrics": metrics, "epochs": 2, "about": about}})
    assert "<b>ES</b>: the best &lt;individual&gt;; <b>train</b>: while the weights move." in page


def test_a_retrained_architecture_nobody_found_has_its_name(tmp_path):
    rows = [{**RETRAIN["rows"][0], "name": "DARTS_V2"}, RETRAIN["rows"][1]]
    history = {"metrics": {"train_loss": [2.0, 1.0]}, "epochs": 2}
    names = ("found/seed-0", "random 1/seed-0")
    page = written(
        tmp_path,
        {f"fits/retrain/{name}/history.json": history for name in names},
        strategy="retrain",
        retrain={**RETRAIN, "rows": rows},
    )
    assert page.count(">DARTS_V2<") == 2  # in the table and in the legend of the curves
    assert not re.search(r"\bfound\b", re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S))


def test_steps_say_how_long_they_take_on_this_machine(tmp_path):
    steps = [
        {"command": "nasforge retrain RUN retrain.epochs=24", "why": "train longer", "epochs": 24 * 4},
        {"command": "nasforge -m seed=range(4)", "why": "more seeds", "runs": 4},
        {"command": "nasforge compare multirun/seeds", "why": "and then"},
    ]
    # The second fit came back from the journal.
    timing = {"seconds": {"fit retrain/found/seed-0": 30.0, "fit retrain/found/seed-1": 0.01}, "total": 600.0}
    page = written(tmp_path, {"timing.json": timing}, retrain=RETRAIN, next=steps)
    assert "Train longer (about 8 minutes on this machine)" in page  # 5 s an epoch
    assert "More seeds (about 40 minutes on this machine)" in page
    assert "And then</div>" in page


def test_a_note_keeps_its_capitals(tmp_path):
    assert "Labels of CIFAR-10 are fine." in written(tmp_path, {}, notes=["labels of CIFAR-10 are fine"])
    assert ">control.samples=2 is few." in written(tmp_path, {}, notes=["control.samples=2 is few"])


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    files = {"fits/supernet/history.json": {"metrics": {"train_loss": [2.0, 1.0]}, "epochs": 2}}
    assert written(tmp_path, files) == written(tmp_path, files)
