"""The page that shows the document of events and commands: plain HTML, made once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import chain
from typing import Any

from services.api.pages.asyncapi.schemas import Field, Schemas

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_WHO = {"receive": "You send, Crossdock receives.", "send": "Crossdock sends, you receive."}
_HEAD = "<tr><th>Field<th>What it is<th>Always there<th>Meaning"


def asyncapi_page(document: Mapping[str, Any], *, prefix: str) -> str:
    """Make the page for a server whose addresses begin with ``prefix``."""
    return "\n".join(_Page(document, prefix).parts())


class _Page:
    def __init__(self, document: Mapping[str, Any], prefix: str) -> None:
        self._document, self._prefix, self._schemas = document, escape(prefix), Schemas(document)

    def parts(self) -> Iterator[str]:
        """Give the page, piece by piece."""
        info = self._document["info"]
        yield (
            f"<p>Version {_text(info['version'])} of the description. For programs: "
            f'<a href="{self._prefix}/api/asyncapi.json">the same as AsyncAPI</a>. '
            f'<a href="{self._prefix}/api/docs">The API by HTTP</a> is described elsewhere.</p>'
        )
        yield from map(_paragraph, info["description"].split("\n\n"))
        yield "<h2>Channels</h2>"
        yield _tag("ul", "".join(_entry(name, each) for name, each in self._document["channels"].items()))
        for name, channel in self._document["channels"].items():
            yield from self._channel(name, channel)
        yield "<h2>Messages</h2>"
        for name, message in self._document["components"]["messages"].items():
            yield from self._message(name, message)

    def _channel(self, name: str, channel: Mapping[str, Any]) -> Iterator[str]:
        yield f'<h3 id="{escape(name)}">{_text(channel["title"])}</h3>'
        yield _paragraph(channel.get("description", ""))
        yield _tag("p", " ".join([*self._directions(name), _where(channel)]))
        yield from map(_parameter, channel.get("parameters", {}).items())
        links = (self._link(each) for each in channel["messages"].values())
        yield _tag("p", f"Messages: {', '.join(links)}.")

    def _directions(self, name: str) -> list[str]:
        """Say who sends. Answers are no operation of their own: they are what commands are replied with."""
        reference = {"$ref": f"#/channels/{name}"}
        operations = self._document["operations"].values()
        found = [each["action"] for each in operations if each["channel"] == reference]
        return [_WHO[action] for action in dict.fromkeys(found)] or [_WHO["send"]]

    def _link(self, message: Mapping[str, Any]) -> str:
        name = message["$ref"].rpartition("/")[2]
        return f'<a href="#{escape(name)}">{_text(self._schemas.resolve(message)["title"])}</a>'

    def _message(self, name: str, message: Mapping[str, Any]) -> Iterator[str]:
        yield f'<h3 id="{escape(name)}">{_text(message["title"])}</h3>'
        yield f"<p>Its <code>content_type</code> is <code>{_text(message['contentType'])}</code>.</p>"
        for title, part in (("Headers", "headers"), ("Body", "payload")):
            if part in message:
                yield from self._part(f"{title} of “{message['title']}”", message[part])

    def _part(self, title: str, schema: Mapping[str, Any]) -> Iterator[str]:
        rows = "".join(map(_row, self._schemas.fields(schema)))
        caption = _tag("caption", _text(title))
        yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">'
        yield f"<table>{caption}{_HEAD}{rows}</table></div>"
        example = json.dumps(self._schemas.example(schema), indent=2)
        yield f"<details><summary>Example</summary><pre>{_text(example)}</pre></details>"


def _entry(name: str, channel: Mapping[str, Any]) -> str:
    address = f": <code>{_text(channel['address'])}</code>" if channel["address"] else ""
    return f'<li><a href="#{escape(name)}">{_text(channel["title"])}</a>{address}</li>'


def _where(channel: Mapping[str, Any]) -> str:
    if "bindings" not in channel:
        return ""
    exchange = channel["bindings"]["amqp"]["exchange"]
    return (
        f"The {exchange['type']} exchange is <code>{_text(exchange['name'])}</code>, "
        f"the routing key <code>{_text(channel['address'])}</code>."
    )


def _parameter(parameter: tuple[str, Mapping[str, Any]]) -> str:
    name, about = parameter
    values = ", ".join(f"<code>{_text(value)}</code>" for value in about["enum"])
    return _tag("p", f"<code>{{{_text(name)}}}</code> is one of {values}. {_marked(about['description'])}")


def _row(field: Field) -> str:
    cells = (f"<code>{_text(field.name)}</code>", _marked(field.kind),
             "yes" if field.is_required else "no", _marked(field.description))  # fmt: skip
    return "<tr>" + "".join(chain.from_iterable(("<td>", cell) for cell in cells))


def _tag(name: str, body: str) -> str:
    return f"<{name}>{body}</{name}>"


def _paragraph(text: str) -> str:
    return _tag("p", _marked(text)) if text.strip() else ""


def _marked(text: str) -> str:
    """Make HTML of the two marks of Markdown that the document has."""
    return _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", _text(text)))


def _text(text: str) -> str:
    return escape(text, quote=False)
