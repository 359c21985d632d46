"""The page of `inpaint-ray app`: built where gradio is, refused by name where it is not, loopback alone."""

import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile

from inpaint_ray.errors import UsageError
from inpaint_ray.local import app
from inpaint_ray.local.config import AppConfig

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example" / "before.flac"


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(UsageError, match=r"pip install 'inpaint-ray\[app\]'"):
        app.serve(AppConfig())


def test_it_listens_on_loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Page:
        def launch(self, **settings: Any) -> None:
            given.update(settings)

    monkeypatch.setattr(app, "build", Page)
    app.serve(AppConfig(port=7999))
    assert given["server_name"] == "127.0.0.1" and given["server_port"] == 7999 and given["share"] is False


def test_a_file_is_repaired_and_drawn() -> None:
    line, figure, played, offered = app.repair_one(str(EXAMPLE), ["dropouts"], 0.3)
    assert line.startswith("6 gaps (1 stuck, 5 zeros); 0.417 s filled") and played == offered
    assert figure is not None and figure.axes[0].get_xlim() == (0, 6)
    before, after = (soundfile.read(path, dtype="int16")[0] for path in (EXAMPLE, str(offered)))
    assert 0 < (before != after).sum() < 0.42 * 32_000


def test_nothing_dropped_and_a_file_that_is_no_audio_are_said(tmp_path: Path) -> None:
    assert app.repair_one(None, ["dropouts"], 0.3)[0] == "drop a file first"
    assert app.repair_one(str(EXAMPLE), [], 0.3)[0] == "choose what is looked for"
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"no audio")
    line, figure, played, _ = app.repair_one(str(noise), ["dropouts"], 0.3)
    assert line.startswith("failed: not readable as audio") and figure is None and played is None


def test_the_page_is_built() -> None:
    pytest.importorskip("gradio", reason="the extra app is not installed")
    labels = {block.label for block in app.build().blocks.values() if getattr(block, "label", None)}
    assert {"before", "after", "found and filled", "the repaired file"} <= labels
