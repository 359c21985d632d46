"""Writing of results.json, results.md and results.html to a folder or bucket."""

import json
from typing import Any

from inpaint_ray import storage
from inpaint_ray.evaluate.shards.table import finite
from inpaint_ray.pages.templates import render

FORMAT = 3  # of results.json
PAGE = "results.html"


def write_results(output: str, *, record: dict[str, Any], text: str, template: str, **content: Any) -> None:
    """Write the three files, the page last: a folder without a page is of an evaluation that was cut short.

    Args:
        output: URI of the folder.
        record: for programs; the format goes before it.
        text: for people.
        template: of the page, a file beside this one.
        content: variables of the template.
    """
    page = render("inpaint_ray.evaluate", template, **content)
    whole = finite({"format": FORMAT, **record})
    delete_page(output)
    storage.write_bytes(storage.join(output, "results.json"), (json.dumps(whole, indent=2) + "\n").encode())
    storage.write_bytes(storage.join(output, "results.md"), text.encode("utf-8", "replace"))
    storage.write_bytes(storage.join(output, PAGE), page.encode("utf-8", "replace"))


def delete_page(output: str) -> None:
    """Delete the page of an earlier evaluation, whose tables and sounds go next."""
    if storage.exists(storage.join(output, PAGE)):
        storage.delete_file(storage.join(output, PAGE))
