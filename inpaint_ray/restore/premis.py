"""PREMIS 3.0 (Library of Congress) of a restoration, OUTPUT/_restore/premis.xml, made from its manifest.

Each file that was written is an object with its fixity, and has one event, linked to the object and to the agent that
is this package.
"""

from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from inpaint_ray.names import printable
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.version import VERSION

PREMIS = f"{FOLDER}/premis.xml"
NAMESPACE = "http://www.loc.gov/premis/v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
AGENT = ("local", f"inpaint_ray-{VERSION}")

Tree = dict[str, "str | Tree"]


def to_premis(config: RestoreConfig, rows: Iterable[ManifestRow]) -> bytes:
    """Return the document.

    Args:
        config: of the run.
        rows: of the manifest.
    """
    written = [row for row in rows if row.output]
    root = Element("premis", {"xmlns": NAMESPACE, "xmlns:xsi": XSI, "version": "3.0"})
    for row in written:
        _add(root, "object", _object(row)).set("xsi:type", "file")
    for row in written:
        _add(root, "event", _event(config, row))
    _add(
        root,
        "agent",
        {
            "agentIdentifier": {"agentIdentifierType": AGENT[0], "agentIdentifierValue": AGENT[1]},
            "agentName": "inpaint_ray",
            "agentType": "software",
            "agentVersion": VERSION,
        },
    )
    indent(root)
    return tostring(root, encoding="utf-8", xml_declaration=True)


def _object(row: ManifestRow) -> Tree:
    return {
        "objectIdentifier": {"objectIdentifierType": "local", "objectIdentifierValue": _text(row.output)},
        "objectCharacteristics": {
            "fixity": {"messageDigestAlgorithm": "SHA-256", "messageDigest": row.sha256},
            "size": str(row.output_size),
            "format": {"formatDesignation": {"formatName": _text(row.output.rpartition(".")[2].upper() or "audio")}},
        },
        "originalName": _text(row.name),
    }


def _event(config: RestoreConfig, row: ManifestRow) -> Tree:
    settings = f"method {row.method}; effort {config.effort}; settings {row.settings}"
    settings += f"; model {row.model}" if row.model else ""
    counts = f"{row.gaps} gaps; {row.gap_rows} repairs; {row.samples_replaced} samples replaced"
    counts += f"; {row.undone} taken back and {row.redone} done again on decisions" if row.undone + row.redone else ""
    notes = [counts, f"SHA-256 of the source {row.source_sha256}"]
    notes += [f"SHA-256 of the sound before {row.source_sound_sha256}; after {row.sound_sha256}"]
    notes += [row.error] if row.error else []
    identity = str(uuid5(NAMESPACE_URL, f"{row.name}\n{row.settings}\n{row.sha256}\n{row.done_at}"))
    return {
        "eventIdentifier": {"eventIdentifierType": "UUID", "eventIdentifierValue": identity},
        "eventType": "modification" if row.gap_rows else "validation",
        "eventDateTime": row.done_at,
        "eventDetailInformation": {"eventDetail": f"inpaint_ray {row.version}: {settings}"},
        "eventOutcomeInformation": {
            "eventOutcome": row.status,
            "eventOutcomeDetail": {"eventOutcomeDetailNote": _text("; ".join(notes))},
        },
        "linkingAgentIdentifier": {"linkingAgentIdentifierType": AGENT[0], "linkingAgentIdentifierValue": AGENT[1]},
        "linkingObjectIdentifier": {
            "linkingObjectIdentifierType": "local",
            "linkingObjectIdentifierValue": _text(row.output),
        },
    }


def _add(parent: Element, name: str, content: "str | Tree") -> Element:
    """Add an element with its content, in order."""
    element = SubElement(parent, name)
    if isinstance(content, str):
        element.text = content
    else:
        for each, inside in content.items():
            _add(element, each, inside)
    return element


def _text(text: str) -> str:
    """Return text that XML can hold: control characters as escapes."""
    return printable(text)
