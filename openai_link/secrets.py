"""The secrets that the link's settings refer to, and who plays the assistant where there are none.

Secrets stand in the environment, never in the settings: these name the variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.secrets import checked, secret

from .settings import OpenaiLinkSettings, ServiceMcpServer, Settings

KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that holds OpenAI's key; never a setting, never logged."""
HOME_ASSISTANT = "openai_link.tools.home_assistant"
HOME_ASSISTANT_VARIABLE = "HOME_ASSISTANT_TOKEN"
"""The environment variable that holds the token of these tools; never a setting, never logged."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def named_variables(link: OpenaiLinkSettings) -> frozenset[str]:
    """Names of the environment variables that the settings refer to."""
    servers = link.service_mcp_servers.values()
    texts = [*link.headers.values(), *(server.authorization for server in servers)]
    texts += [value for server in servers for value in server.headers.values()]
    named = {name for text in texts for name in _VARIABLE.findall(text)}
    tokens = {server.token_variable for server in link.mcp_servers.values()}
    return frozenset((named | tokens) - {""})


def uses_simulator(link: OpenaiLinkSettings, env: Mapping[str, str]) -> bool:
    """Whether the local simulator plays the assistant: by setting, or because there is no key.

    Raises:
        SettingsError: there is a key, and it cannot be used.
    """
    if link.upstream == "auto":
        return not secret(env, KEY_VARIABLE)
    return link.upstream == "simulator"


def check_secrets(settings: Settings, env: Mapping[str, str]) -> None:
    """Raise SettingsError where a secret that the settings name is missing or cannot be used."""
    link = settings.openai_link
    checked(settings.simulator.api_key, "[simulator] api_key")
    variables = [server.token_variable for server in link.mcp_servers.values()]
    if not uses_simulator(link, env):
        variables.append(KEY_VARIABLE)
    if HOME_ASSISTANT in link.tools:
        variables.append(HOME_ASSISTANT_VARIABLE)
    for variable in variables:
        secret(env, variable)
    with_secrets(settings, env)


def with_secrets(settings: Settings, env: Mapping[str, str]) -> Settings:
    """The same settings with the values of ``env`` in place of ``${VARIABLE}``.

    Where the simulator plays the assistant everything stays as it is: it is told no secrets.

    Raises:
        SettingsError: a variable is not set or cannot be sent; or a token stands in the settings.
    """
    link = settings.openai_link
    if uses_simulator(link, env):
        return settings
    headers = _filled("headers", link.headers, env)
    servers = {
        label: _server_filled(label, server, env)
        for label, server in link.service_mcp_servers.items()
    }
    link = replace(link, headers=headers, service_mcp_servers=servers)
    return replace(settings, openai_link=link)


def _server_filled(
    label: str, server: ServiceMcpServer, env: Mapping[str, str]
) -> ServiceMcpServer:
    where = f"service_mcp_servers.{label}"
    token = server.authorization
    if token and not _VARIABLE.search(token):
        raise SettingsError(
            f"[openai_link] {where}.authorization is a secret: put it into an environment variable "
            "and write ${NAME} here"
        )
    return replace(
        server,
        authorization=_filled(where, {"authorization": token}, env)["authorization"],
        headers=_filled(f"{where}.headers", server.headers, env),
    )


def _filled(where: str, texts: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    def fill(key: str, text: str) -> str:
        if "${" in _VARIABLE.sub("", text):
            raise SettingsError(
                f"[openai_link] {where}.{key}: write ${{NAME}} with the name of a variable in it"
            )
        return _VARIABLE.sub(lambda found: _value(f"{where}.{key}", found.group(1), env), text)

    return {key: fill(key, text) for key, text in texts.items()}


def _value(where: str, name: str, env: Mapping[str, str]) -> str:
    value = secret(env, name)
    if not value:
        raise SettingsError(f"[openai_link] {where} needs the environment variable {name}: set it")
    return value
