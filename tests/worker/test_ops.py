"""The dashboard and alert rules in ops/, and the table of metrics, against the scrape of a real worker."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import promql_parser as promql
import pytest
import yaml

from tests.docs.reading import ROOT, cells, codes_in, section
from tests.worker.probing import Probe
from tests.worker.rig import Ledger, Worker, wait_until

RULES: Final = ROOT / "ops" / "prometheus" / "alerts.yml"
DASHBOARD: Final = ROOT / "ops" / "grafana" / "ledger-workers.json"
OF_PROMETHEUS: Final = frozenset(("job", "instance"))
"""Labels that Prometheus adds to everything that it scrapes."""

Samples = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def samples(seen: tuple[Ledger, Worker, Probe]) -> Samples:
    """The labels of all samples by name, as Prometheus has them after a scrape."""
    probe = seen[2]
    wait_until(lambda: ("ledger_end_offset", ("0",)) in probe.numbers(), 30)
    found: Samples = {"up": [{}]}
    for metric in probe.scrape():
        for sample in metric.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def alerts() -> list[dict[str, Any]]:
    """All alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """All panels of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> dict[str, str]:
    """Every expression by where it stands, Grafana's variables filled in."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$job", "ledger-worker")
            found[f"panel {panel['title']} {target['refId']}"] = text
    return found


def selectors(expr: Any, by: frozenset[str] = frozenset()) -> Iterator[tuple[Any, frozenset[str]]]:
    """Every selector of an expression, and the labels that are grouped by above it."""
    match expr:
        case promql.VectorSelector():
            yield expr, by
        case promql.MatrixSelector():
            yield expr.vector_selector, by
        case promql.AggregateExpr():
            yield from selectors(expr.expr, by | frozenset(expr.modifier.labels if expr.modifier else ()))
        case promql.BinaryExpr():
            yield from selectors(expr.lhs, by)
            yield from selectors(expr.rhs, by)
        case promql.Call():
            for argument in expr.args:
                yield from selectors(argument, by)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from selectors(expr.expr, by)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise AssertionError(type(expr))


def problems(text: str, samples: Samples) -> list[str]:
    """What an expression names and a scrape does not have."""
    found = []
    for selector, by in selectors(promql.parse(text)):
        having = samples.get(selector.name, [])
        if not having:
            found.append(f"no metric {selector.name}")
            continue
        labels = set(having[0]) | OF_PROMETHEUS
        matchers = selector.matchers.matchers
        found += [
            f"no label {name} of {selector.name}" for name in by | {m.name for m in matchers} if name not in labels
        ]
        found += [
            f"never {matcher.name}={matcher.value} of {selector.name}"
            for matcher in matchers
            if matcher.name not in OF_PROMETHEUS
            and matcher.value not in {sample.get(matcher.name) for sample in having}
        ]
    return found


@pytest.mark.timeout(150)
@pytest.mark.parametrize("place", expressions())
def test_an_expression_names_what_a_worker_has(place: str, samples: Samples) -> None:
    """It parses; every metric, label and value of a label in it is in a real scrape."""
    assert problems(expressions()[place], samples) == []


@pytest.mark.timeout(150)
def test_what_no_worker_has_is_noticed(samples: Samples) -> None:
    """A metric, a label or a value with a typing error."""
    for text, problem in (
        ("rate(ledger_entrys_total[5m])", "no metric"),
        ("sum by (partiton) (ledger_lag_records)", "no label partiton"),
        ('ledger_step_seconds_sum{stepp="fold"}', "no label stepp"),
        ('ledger_step_seconds_sum{step="folding"}', "never step=folding"),
    ):
        assert any(found.startswith(problem) for found in problems(text, samples)), text


@pytest.mark.timeout(150)
@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_can(rule: dict[str, Any], samples: Samples) -> None:
    """It has a severity, says what happened and what to do, and names only labels that its expression leaves."""
    assert rule["labels"]["severity"] in {"warning", "critical"}
    said = rule["annotations"]
    assert said["summary"]
    assert said["description"]
    parts = list(selectors(promql.parse(rule["expr"])))
    left = {label for selector, by in parts for label in (by or samples[selector.name][0])}
    assert set(re.findall(r"\$labels\.(\w+)", " ".join(said.values()))) <= left


def test_panels_have_a_place_of_their_own() -> None:
    """No two of the dashboard overlap, none is wider than the page, and all have numbers and titles of their own."""
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not squares & taken
        assert max(x for x, _ in squares) < 24
        taken |= squares
    assert len({panel["id"] for panel in panels()}) == len({panel["title"] for panel in panels()}) == len(panels())


@pytest.mark.timeout(150)
def test_the_table_of_metrics_is_a_scrape(seen: tuple[Ledger, Worker, Probe]) -> None:
    """Every metric with its type and labels stands in docs/OPERATIONS.md, and no other."""
    scraped = {
        metric.name: (
            metric.type,
            sorted({label for sample in metric.samples for label in sample.labels} - {"le"}),
        )
        for metric in seen[2].scrape()
        if metric.name.startswith("ledger_")
    }
    documented = {
        codes_in(name)[0].removesuffix("_total"): (kind, sorted(codes_in(labels)))
        for name, kind, labels, _ in cells(section("docs/OPERATIONS.md", "Metrics"))
    }
    assert documented == scraped


def test_each_alert_is_explained() -> None:
    """Every alert stands in docs/OPERATIONS.md, and no other."""
    documented = [codes_in(name)[0] for name, *_ in cells(section("docs/OPERATIONS.md", "Alerts"))]
    assert documented == [rule["alert"] for rule in alerts()]
