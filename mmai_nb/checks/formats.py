"""Blocks of JSON, TOML and XML: why they do not parse, where they are meant to."""

from __future__ import annotations

import json
import re
import tomllib
from xml.parsers import expat

__all__ = ["LEFT_OUT", "json_fault", "toml_fault", "xml_fault"]

MOST_DOCUMENTS = 1_000

LEFT_OUT = re.compile(r"\.\.\.|…|<[A-Za-z][\w .,'-]*>|\{\{|\[your |\byour_\w+ here")
"""Dots, or a place to be filled in: not meant as whole."""
_COMMENT = re.compile(r"(?:^|\s)//|^[ \t]*#|/\*", re.MULTILINE)


def json_fault(code: str) -> str | None:
    """Why a block of JSON does not parse; None where it does, or is not meant as whole."""
    if code.strip()[:1] not in ("{", "[") or _COMMENT.search(code) or LEFT_OUT.search(code):
        return None  # a part, shown with comments or with something left out: not meant as whole
    try:
        json.loads(code)
    except RecursionError:
        return "it is nested too deep"
    except ValueError as error:
        if _are_documents(code):
            return None
        return f"line {getattr(error, 'lineno', '?')}: {getattr(error, 'msg', error)}"
    return None


def _are_documents(code: str) -> bool:
    """Whether several JSON values stand one after the other."""
    place, decoder = 0, json.JSONDecoder()
    for _ in range(MOST_DOCUMENTS):
        try:
            _, place = decoder.raw_decode(code, place)
        except (ValueError, RecursionError):
            return False
        place += len(code[place : place + 200]) - len(code[place : place + 200].lstrip(" \n\r\t"))
        if place >= len(code):
            return True
    return True


def toml_fault(code: str) -> str | None:
    """The same of TOML."""
    if LEFT_OUT.search(code):
        return None
    try:
        tomllib.loads(code)
    except RecursionError:
        return "it is nested too deep"
    except ValueError as error:
        return str(error)[:80]
    return None


_XML_LEFT_OUT = re.compile(r"\.\.\.|…|\{\{|\{%|<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ONE_TAG = re.compile(r"""</?[\w:.-]{1,99}(?:\s+[\w:.-]{1,99}=(?:"[^"<]*"|'[^'<]*'))*\s*>""")
_XML_HEAD = re.compile(r"\s*<\?xml[^>\n]{0,200}\?>")
_UNDEFINED_ENTITY = 11


def xml_fault(code: str) -> str | None:
    """The same of XML; several elements in a row, and entities of HTML, are no fault."""
    part = code.strip()[:1] != "<" or _ONE_TAG.fullmatch(code.strip())
    if part or _XML_LEFT_OUT.search(code):
        return None
    head = _XML_HEAD.match(code)
    parser = expat.ParserCreate()
    try:
        parser.Parse(f"<all>{code[head.end() if head else 0 :]}</all>", True)
    except expat.ExpatError as error:
        if error.code == _UNDEFINED_ENTITY:
            return None
        return f"line {error.lineno}: {expat.ErrorString(error.code)}"
    except ValueError:
        return None
    return None
