# SPDX-License-Identifier: MIT
"""The Grafana dashboard and the alert rules: what they ask for exists, and a real Prometheus that scrapes a real
agent has an answer."""

import json
import re

import pytest
import yaml

import typed
from load import Consumer
from program import ROOT, patient, run, wait_until
from scrape import STEM, Prometheus, ScrapedAgent

DASHBOARD = json.loads((ROOT / "tools/grafana/pushback.json").read_text())
RULES = ROOT / "tools/prometheus/rules.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAME = r"\b(?:streams_pipeline|pushback_agent)_\w+"
# What an alert may be made of: shares of time and what they are divided by, losses, and that an agent is there.
TIMES = {f"{STEM}{one}_seconds_total" for one in ("pressure_full_time", "send_backpressure_self_time")}
ALERTING = TIMES | {f"{STEM}instances", "pushback_agent_lost_total", "up"}


def targets():
    for panel in PANELS:
        for target in panel["targets"]:
            yield pytest.param(panel["title"], target["expr"], id=f"{panel['title']} {target['refId']}")


def rules(kind):
    return {rule[kind]: rule["expr"] for group in GROUPS for rule in group["rules"] if kind in rule}


def variables():
    return {one["name"]: one for one in DASHBOARD["templating"]["list"]}


def filled(expression):
    """As Grafana does it where all are picked."""
    expression = expression.replace("$__rate_interval", "1m")
    for name, one in variables().items():
        expression = re.sub(rf"\$\{{?{name}\b\}}?", one.get("allValue", "?"), expression)
    assert "$" not in expression
    return expression


@pytest.fixture(name="scraped", scope="module")
def a_prometheus(tmp_path_factory):
    """Of a consumer whose sink is slow: (Prometheus, the names in a scrape of the agent)."""
    directory = tmp_path_factory.mktemp("prometheus")
    with Consumer(directory / "log", "--slow", "sink:refuse:2ms") as consumer:
        with ScrapedAgent("--pid", consumer.pid) as agent, Prometheus(directory, agent.url, RULES) as prometheus:
            numbers = agent.wait_for(lambda n: n.buckets, "no durations")
            names = {name for name, _, _ in numbers.all}
            recorded = f"count({{__name__=~'{'|'.join(rules('record'))}'}})"
            wait_until(lambda: prometheus.query(recorded), "it has evaluated nothing", 30)
            yield prometheus, names


# ---- The dashboard ----


@pytest.mark.parametrize("title,expression", targets())
def test_each_panel_shows_something(scraped, title, expression):
    """By names that are there; only then is an empty graph no mistake of ours."""
    prometheus, names = scraped
    asked = set(re.findall(NAME, expression))
    assert asked and asked <= names
    # Of what has not happened since the scrape before there is no quantile.
    values = lambda: [series["value"][1] for series in prometheus.query(filled(expression))]
    wait_until(lambda: (found := values()) and "NaN" not in found, f"{title} is empty", 30)


def values_of(prometheus, title, label):
    """{label's value: number} of the panel."""
    (expression,) = {t["expr"] for p in PANELS if p["title"].startswith(title) for t in p["targets"]}
    return {s["metric"][label]: float(s["value"][1]) for s in prometheus.query(filled(expression))}


def test_it_shows_who_is_at_fault(scraped):
    """A sink that refuses most of the time: nothing gets in, and the self time is its own."""
    prometheus, _ = scraped
    wait_until(lambda: values_of(prometheus, "Self time", "step").get("sink", 0) > 0.01, "it is not the sink", 30)
    shares = values_of(prometheus, "Self time", "step")
    assert shares.pop("sink") > 5 * sum(shares.values())
    assert 0 < values_of(prometheus, "Full time", "process")["pushback-demo"] < 1.05
    blocked = values_of(prometheus, "Blocked", "step")
    assert blocked["sink"] == 0 < blocked["decode"]
    accepted = values_of(prometheus, "Accepted", "step")
    assert 0 < accepted["sink"] < accepted["decode"]


def test_variables_have_values(scraped):
    """As label_values() asks for them, in an order in which each is there when it is used."""
    prometheus, names = scraped
    before = {"datasource"}
    for name, one in variables().items():
        if name == "datasource":
            assert one["type"] == "datasource" and one["query"] == "prometheus"
            continue
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"]).groups()
        assert set(re.findall(r"\$(\w+)", selector)) <= before and set(re.findall(NAME, selector)) <= names
        assert label == name
        assert {series["metric"].get(label) for series in prometheus.query(filled(selector))} - {None}
        before.add(name)
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps([PANELS, DASHBOARD["templating"]])))
    assert used == set(variables())


def test_it_is_of_grafanas_type(tmp_path):
    assert typed.complaints(tmp_path, "@grafana/schema", "Dashboard", DASHBOARD) == ""


def test_panels_lie_beside_each_other():
    """None over another, none outside, each told of."""
    places = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)


# ---- The rules ----


def metrics_of(expression):
    """All that it comes from, recorded rules taken apart."""
    found = set()
    for name in re.findall(rf"{NAME}|\bup\b|\bpushback:[\w:]+", expression):
        found |= metrics_of(rules("record")[name]) if ":" in name else {name}
    return found


@pytest.mark.parametrize("alert", rules("alert"))
def test_no_alert_is_on_a_count(alert):
    """But of what was lost."""
    made_of = metrics_of(rules("alert")[alert])
    assert made_of and made_of <= ALERTING


def test_rules_name_what_exists(scraped):
    prometheus, names = scraped
    for expression in [*rules("record").values(), *rules("alert").values()]:
        assert set(re.findall(NAME, expression)) <= names
    (full,) = prometheus.query("pushback:full:share5m")
    assert full["metric"]["process"] == "pushback-demo" and 0 < float(full["value"][1]) < 1.05
    shares = {s["metric"]["step"]: float(s["value"][1]) for s in prometheus.query("pushback:self:share5m")}
    assert max(shares, key=shares.get) == "sink"


def test_promtool_has_nothing_to_say():
    done = run("promtool", "check", "rules", "--lint-fatal", RULES)
    assert done.returncode == 0 and "FAILED" not in done.stdout + done.stderr


def test_when_they_fire(tmp_path):
    """See prometheus_rules.yaml; each alert is in it."""
    text = (ROOT / "tests/e2e/prometheus_rules.yaml").read_text()
    assert set(re.findall(r"alertname: (\w+)", text)) == set(rules("alert"))
    (tmp_path / "tests.yaml").write_text(text.replace("[RULES]", f"[{RULES}]"))
    done = run("promtool", "test", "rules", tmp_path / "tests.yaml", timeout=patient(60))
    assert done.returncode == 0, done.stdout + done.stderr
