"""`inpaint-ray app` in a browser: a file is dropped, repaired, played and offered."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium")
EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example" / "before.flac"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture
def address() -> Iterator[str]:
    """The address of the page, served by the command itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inpaint_ray", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_a_dropped_file_is_repaired_played_and_offered(address: str, tmp_path: Path) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.set_input_files("input[type=file]", str(EXAMPLE))
        page.get_by_role("button", name="repair", exact=True).click()
        box = page.get_by_label("found and filled")
        sync_api.expect(box).to_have_value(
            "6 gaps (1 stuck, 5 zeros); 0.417 s filled: 4 likely, 2 guess", timeout=120_000
        )
        page.screenshot(path=str(tmp_path / "wide.png"), full_page=True)
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=str(tmp_path / "narrow.png"), full_page=True)
        sync_api.expect(page.locator("a[download]").first).to_be_attached(timeout=20_000)
        browser.close()
