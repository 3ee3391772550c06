"""Index pages of web servers: how they are fetched, and what they link to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ngffkit.errors import NgffError

#: Seconds that a web server may take, the longest index page that is read, and the longest name in
#: it: what stores allow.
_PATIENCE, _LONGEST, _NAME = 20.0, 2**24, 1024


class _Links(HTMLParser):
    """The addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


class _Home(HTTPRedirectHandler):
    """Follows a server to another one without the headers that were meant for it."""

    def redirect_request(self, req: Request, *answer: Any) -> Request | None:
        request = super().redirect_request(req, *answer)
        if request is not None and urlsplit(request.full_url)[:2] != urlsplit(req.full_url)[:2]:
            request.headers = {"Accept": "text/html"}
        return request


def fetch(url: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Fetch an index page; obstore takes none without a length, and indexes have none.

    Parameters
    ----------
    url : str
        With http or https.
    options : Mapping
        Of the store; ``headers`` count, and go to no other server.

    Returns
    -------
    tuple of str
        The page, and the address that it came from.

    Raises
    ------
    NgffError
        When there is no answer, or a refusal.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError

    headers = {str(k): str(v) for k, v in dict(options.get("headers") or {}).items()}
    try:
        request = Request(url, headers={"Accept": "text/html", **headers})  # noqa: S310 - checked
        with build_opener(_Home).open(request, timeout=_PATIENCE) as answer:
            return answer.read(_LONGEST).decode("utf-8", "replace"), str(answer.url)
    except HTTPError as err:
        with err:
            raise NgffError(f"the server answered {err.code}") from None
    except (OSError, HTTPException, ValueError) as err:
        raise NgffError(f"no answer: {getattr(err, 'reason', err)}") from err


def links(page: str, url: str) -> Iterator[tuple[str, bool]]:
    """Yield what an index page links to right below itself: names, and whether they are folders.

    Examples
    --------
    >>> list(links('<a href="../">up</a> <a href="a%20b/"> <a href="c.tif">', "http://h/d/"))
    [('a b', True), ('c.tif', False)]
    """
    parser = _Links()
    parser.feed(page)
    base, seen = urlsplit(url)._replace(query="", fragment="").geturl(), set()
    for href in parser.found:
        try:
            target = urlsplit(urljoin(url, href))
        except ValueError:
            continue
        bare = target._replace(query="", fragment="").geturl()
        rest = bare[len(base) :] if bare.startswith(base) else ""
        name = unquote(rest.rstrip("/"))
        if not 0 < len(name) <= _NAME or "/" in name or target.query or name in seen:
            continue
        seen.add(name)
        yield name, rest.endswith("/")
