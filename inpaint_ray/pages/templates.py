"""Rendering of templates: each lies beside its job's code, and may extend the base.html.jinja beside this file."""

import base64

import jinja2


def render(package: str, template: str, **values: object) -> str:
    """Fill in a template.

    Args:
        package: where the template is, such as inpaint_ray.restore.
        template: its file name; in a page, NAME.html.jinja, the values are escaped.
        values: all that the template asks for.

    Raises:
        jinja2.UndefinedError: the template asks for more.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(each, "") for each in (package, "inpaint_ray.pages")]),
        autoescape=jinja2.select_autoescape(["html.jinja"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def data_uri(media_type: str, data: bytes) -> str:
    """Return a URI that holds the data itself, so that a page needs no file beside it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
