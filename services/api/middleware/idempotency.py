"""POST requests that take effect once: ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header-07).

A key belongs to one user, method and path, for 24 hours. Two requests are the same if their parameters are
the same, in the query or in any form of body, without tokens. Two uploads are the same if their query, the
fields of their form, and the name and SHA-256 of their file are the same; the repeated file is read, but not
stored.

The response is stored in the transaction that has the effect: there are both or neither, whenever a process
dies. A request that was refused or failed changed nothing, and its key can be used again. So can the keys of
a process that died: at once, or after a minute where the database does not see that it died.

A request that makes an upload and brings bytes has its response stored before them, as they may take hours
and be cut: one that repeats it finds the upload. It is the same if its headers are; bytes are not compared.

What has the same effect and response each time (to archive a project) may be executed a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.bodies import parameters
from services.api.http.caller import find_caller
from services.api.http.endpoint import endpoint_of, is_spoken, is_upload
from services.api.http.errors import AnswerNotKept, KeyAtWork, KeyReused, ParametersInvalid, TooManyKeys
from services.api.http.kept_answers import KEEP_ANSWER
from services.api.http.parameters import TOKEN_PARAMETERS
from services.api.http.responses import CONTENT_DIGEST
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Connection, Pool
from shared.database.transactions import postponed_commit
from shared.idempotency import store
from shared.idempotency.life import LifeSign
from shared.idempotency.models import KeptAnswer, KeyedRequest, KeyHold
from shared.logs import describe

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r'("?)([\x21\x23-\x7e]{1,255})\1')
_LARGEST_BODY = 1024 * 1024
_OF_UPLOADS = {"content-disposition", "content-length", "tus-resumable", "x-http-method-override"}

DigestUpload = Callable[[web.Request], Awaitable[bytes]]
KEYS = web.AppKey("idempotency_keys", Pool)
LIFE = web.AppKey("life_sign", LifeSign)
KEYS_LIMIT = web.AppKey("idempotency_keys_limit", int)
DIGEST_UPLOAD: web.AppKey[DigestUpload] = web.AppKey("digest_upload")
"""Reads an upload without storing it, and returns the digest that ``CONTENT_DIGEST`` would have."""

_log = structlog.get_logger()


@web.middleware
async def answer_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Execute the first request with a key, and repeat its response to later requests with the key.

    Raises KeyAtWork, AnswerNotKept, TooManyKeys, and KeyReused for a different request with the key.
    """
    caller, given = find_caller(request), request.headers.get(HEADER)
    if given is None or caller is None or request.method != "POST":
        return await handler(request)
    keyed = KeyedRequest(
        user_id=caller.id, key=_read_key(given), method=request.method, path=request.rel_url.raw_path
    )
    pool = request.app[KEYS]
    fingerprint = await _digest_request(request, keyed.key)
    hold = await store.claim(
        pool, keyed, fingerprint=fingerprint, limit=request.app[KEYS_LIMIT], life=request.app[LIFE].number
    )
    if hold is None:
        return await _answer_again(request, keyed, fingerprint)
    async with store.keep_held(pool, hold):
        return await _answer(request, handler, hold)


def _read_key(given: str) -> str:
    """Read the key: a string of RFC 8941 or, as most clients send it, the characters without quotes."""
    match = _KEY.fullmatch(given)
    if match is None:
        raise ParametersInvalid(f"{HEADER} is invalid (1 to 255 visible characters)")
    return match[2]


async def _digest_request(request: web.Request, key: str) -> bytes:
    """Digest the parameters or, for an upload, the query. The key is the salt, as there may be passwords."""
    if is_upload(request) or is_spoken(request):
        given = [(name, value) for name, value in request.query.items() if name not in TOKEN_PARAMETERS]
        content: object = ["upload", *given, *_said_of_upload(request)]
    else:
        content = dict(await parameters(request))
        for name in TOKEN_PARAMETERS:
            content.pop(name, None)
    return hashlib.sha256(key.encode() + b"\0" + msgspec.json.encode(content, order="deterministic")).digest()


def _said_of_upload(request: web.Request) -> list[tuple[str, str]]:
    """Return the headers by which a request says what becomes of an upload, in their order by name."""
    if not is_spoken(request):
        return []
    given = ((name.lower(), ascii(value)) for name, value in request.headers.items())
    return sorted(each for each in given if each[0].startswith("upload-") or each[0] in _OF_UPLOADS)


async def _answer(request: web.Request, handler: Handler, hold: KeyHold) -> web.StreamResponse:
    """Execute the request, and store a successful response with its effect; else release the key."""
    is_kept = False

    async def keep_early(answer: web.StreamResponse) -> None:
        nonlocal is_kept
        await _keep(await effect.begin(), request, hold, answer)
        await effect.commit()
        is_kept = True

    request[KEEP_ANSWER] = keep_early
    try:
        async with postponed_commit(request.app[KEYS]) as effect:
            answer = await handler(request)
            is_success = answer.status < web.HTTPBadRequest.status_code
            if is_success:
                await _keep(await effect.begin(), request, hold, answer)
        is_kept = is_kept or is_success
        return answer
    finally:
        if not is_kept:
            await asyncio.shield(_release(request, hold))


async def _keep(db: Connection, request: web.Request, hold: KeyHold, answer: web.StreamResponse) -> None:
    """Store a response. Raises KeyAtWork, so that the effect is undone, if the key was lost to another."""
    kept = _make_kept_answer(request, answer)
    if not await store.keep(db, hold, kept, content=request.get(CONTENT_DIGEST)):
        raise _at_work()


async def _release(request: web.Request, hold: KeyHold) -> None:
    """Release a key without a response. A failure of this is only logged."""
    try:
        await store.release(request.app[KEYS], hold)
    except DATABASE_ERRORS as error:
        _log.warning("key_not_released", error=describe(error))


def _make_kept_answer(request: web.Request, answer: web.StreamResponse) -> KeptAnswer:
    body = (answer.body or b"") if isinstance(answer, web.Response) else None
    if not isinstance(body, bytes) or len(body) > _LARGEST_BODY:
        body = None
    if not endpoint_of(request).keeps_answer:
        body = None
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return KeptAnswer(status=answer.status, headers=headers, body=body)


async def _answer_again(request: web.Request, keyed: KeyedRequest, fingerprint: bytes) -> web.Response:
    earlier = await store.find_earlier(request.app[KEYS], keyed)
    if earlier is not None and earlier.fingerprint != fingerprint:
        raise _other_request()
    if earlier is None:
        await _refuse_over_limit(request, keyed)
    if earlier is None or earlier.answer is None:
        raise _at_work()
    if earlier.content is not None and await request.app[DIGEST_UPLOAD](request) != earlier.content:
        raise _other_request()
    answer = earlier.answer
    if answer.body is None:
        raise AnswerNotKept(f"the request with this {HEADER} was answered, and the answer is not kept")
    return web.Response(
        status=answer.status, headers={**answer.headers, REPLAYED: "true"}, body=answer.body or None
    )


async def _refuse_over_limit(request: web.Request, keyed: KeyedRequest) -> None:
    limit = request.app[KEYS_LIMIT]
    wait = await store.wait_for_room(request.app[KEYS], keyed, limit=limit)
    if wait is not None:
        raise TooManyKeys(limit, wait=wait)


def _at_work() -> KeyAtWork:
    return KeyAtWork(f"a request with this {HEADER} is at work")


def _other_request() -> KeyReused:
    return KeyReused(f"another request had this {HEADER}")
