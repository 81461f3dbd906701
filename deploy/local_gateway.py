"""Asks the gateway of this machine, by its settings, over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from typing import Any

from signaling.http.listeners import url

from .settings import AllSettings

TIMEOUT_S = 5.0
TOKEN_VARIABLE = "MIXMINUS_TOKEN"


class LocalGateway:
    """``settings``: where it listens; the token comes from the environment."""

    def __init__(self, settings: AllSettings) -> None:
        section = settings.signaling
        host = section.http_host if section.http_host not in ("0.0.0.0", "::") else "127.0.0.1"
        self.url = url(host, section.http_port).partition("/?")[0].rstrip("/")
        self._headers = {}
        if token := os.environ.get(TOKEN_VARIABLE, "").strip():
            self._headers["Authorization"] = f"Bearer {token}"
        # A proxy of the environment has no business between this machine and itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def text(self, path: str) -> tuple[int, str]:
        """Status and body of a GET, also of a refusal.

        Raises:
            OSError: nobody answers, or not in HTTP.
        """
        request = urllib.request.Request(self.url + path, headers=self._headers)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return response.status, response.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise OSError(f"what answers there does not speak HTTP: {error!r}") from error

    def content(self, path: str) -> tuple[int, dict[str, Any]]:
        """The same for a JSON object; empty where it is none."""
        status, body = self.text(path)
        try:
            content = json.loads(body)
        except ValueError:
            content = {}
        return status, content if isinstance(content, dict) else {}
