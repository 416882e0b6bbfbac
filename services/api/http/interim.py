"""Interim responses (RFC 9110, section 15.2), which aiohttp has no means for."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import HttpVersion11, web


async def send_interim(request: web.Request, status: str, headers: Mapping[str, str] | None = None) -> None:
    """Send a response before the final one. Clients of HTTP/1.0 know none, and get none."""
    if request.version < HttpVersion11:
        return
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    await request.writer.write(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode())
    request.writer.output_size = 0  # the response itself has not begun
