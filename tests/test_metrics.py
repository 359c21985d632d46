"""Counters as Prometheus sees them."""

import re
import time
import urllib.request

import pytest
import ray

from inpaint_ray.metrics import COUNTERS, count


def scrape() -> dict[tuple[str, str], float]:
    """Read our counters by (name, job) from every process of this node."""
    node = ray.nodes()[0]
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], float] = {}
    for name, job, value in re.findall(r'^(ray_inpaint_\w+)\{.*?inpaint_job="(\w+)".*?\} (\S+)$', text, re.MULTILINE):
        found[name, job] = found.get((name, job), 0.0) + float(value)
    return found


@pytest.mark.ray
def test_prometheus_sees_what_is_counted_in_all_processes(local_ray: None) -> None:
    @ray.remote
    def work() -> None:
        count("counting", **dict.fromkeys(COUNTERS, 2.5))
        time.sleep(6)  # a counter goes with its process if that ends before it was exported

    tasks = [work.remote() for _ in range(2)]
    count("counting", tracks=1, patches=0)
    ray.get(tasks)
    expected = {(f"ray_inpaint_{name}_total", "counting"): 5.0 + (name == "tracks") for name in COUNTERS}
    deadline, seen = time.monotonic() + 90, scrape()
    while not expected.items() <= seen.items():
        assert time.monotonic() < deadline, f"seen: {seen}"
        time.sleep(1)
        seen = scrape()


def test_without_ray_nothing_is_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    count("prepare", tracks=1)
    assert capsys.readouterr().out == ""
