# Owned by the template: extend, do not edit.
"""The environment, typed (guide: production vs development; ASVS 13.2, 13.3).

Each variable `APP_X` may come as `APP_X_FILE` instead, the path of a file that holds the value.
Production refuses to start on anything unsafe and lists every problem at once, with its remedy.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .security import database_tls
from .security.proxy import UNIX
from .security.stores import open_store

_SHORTEST_KEY = 32
_FEWEST_SYMBOLS = 10
_EXAMPLES = ("change", "example", "secret", "password", "development")
_WIDEST_PROXIES = {4: 8, 6: 32}
_KEY = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


class ConfigError(ValueError):
    """Raised if the environment cannot be used; one line for each problem."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class _EnvironmentOrFile(EnvSettingsSource):
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        name = f"APP_{field_name.upper()}"
        if path := os.environ.get(f"{name}_FILE"):
            if value is not None:
                raise ConfigError(f"{name} and {name}_FILE are both set; keep one of them")
            try:
                value = Path(path).read_text("utf-8").strip()
            except OSError as error:
                raise ConfigError(f"{name}_FILE: {path}: {error.strerror}") from None
        return value, key, is_complex


class Settings(BaseSettings):
    """What differs between the places where the service runs."""

    model_config = SettingsConfigDict(
        env_prefix="APP_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    env: Literal["development", "production"] = "development"
    secret_keys: Names = ("only good for development",)
    """Newest first."""
    hosts: Names = ()
    """Names in the Host header that are ours. Empty: this machine."""
    trusted_proxies: Names = ()
    """Addresses or networks whose forwarding headers count; `unix` for a Unix socket."""
    database_url: str = "sqlite:///var/app.db"
    store_url: str = "sqlite:///var/store.db"
    dangerously_unencrypted_hosts: Names = ()
    """Hosts of database and store to which nobody is on the way, so that they need no TLS."""
    policy: Path = Path("policy.toml")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - replaced below
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no file in the project's folder
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - APP_X_FILE instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment; no `.env` file, no folder of secrets."""
        return init_settings, _EnvironmentOrFile(settings_cls)

    @property
    def production(self) -> bool:
        """True where the service faces others."""
        return self.env == "production"

    def problems(self) -> list[str]:
        """Return everything that is wrong with these settings, each with its remedy."""
        found = [*self._store_problems(), *self._proxy_problems()]
        if self.production:
            found += [*self._key_problems(), *self._host_problems(), *self._debug_problems()]
            found += self._transit_problems()
        return found

    def _key_problems(self) -> list[str]:
        if not self.secret_keys:
            return [f"APP_SECRET_KEYS is empty; make a key with: {_KEY}"]
        return [
            f"APP_SECRET_KEYS: key {number} is too short, too simple or an example; make one with:"
            f" {_KEY}"
            for number, key in enumerate(self.secret_keys, 1)
            if len(key) < _SHORTEST_KEY
            or len(set(key)) < _FEWEST_SYMBOLS
            or any(word in key.lower() for word in _EXAMPLES)
        ]

    def _host_problems(self) -> list[str]:
        if not self.hosts:
            return ["APP_HOSTS is empty; list the host names of the service, separated by commas"]
        return [
            f"APP_HOSTS: {host!r} is not a host name; write it as in a browser's address bar,"
            " without scheme or path, and without *"
            for host in self.hosts
            if urlsplit(f"//{host}").netloc != host
            or not host.isascii()
            or "*" in host
            or "@" in host
        ]

    def _proxy_problems(self) -> list[str]:
        found = []
        for proxy in self.trusted_proxies:
            if proxy == UNIX:
                continue
            try:
                network = ip_network(proxy)
            except ValueError:
                network = None
            if network is None or network.prefixlen < _WIDEST_PROXIES[network.version]:
                found.append(
                    f"APP_TRUSTED_PROXIES: {proxy!r} is no address or narrow network; a client"
                    " that counts as a proxy can claim any address, so list the proxies alone"
                )
        return found

    def _store_problems(self) -> list[str]:
        found = []
        if not self.database_url.startswith(("sqlite:///", "postgresql://")):
            found.append("APP_DATABASE_URL: use sqlite:///path or postgresql://user@host/name")
        try:
            open_store(self.store_url)
        except ValueError as error:
            found.append(str(error))
        for name, url in (
            ("APP_STORE_URL", self.store_url),
            ("APP_DATABASE_URL", self.database_url),
        ):
            if not url.startswith("sqlite:"):
                continue
            path = Path(url.removeprefix("sqlite:///"))
            if ":memory:" in url or not url.startswith("sqlite:///") or not path.name:
                found.append(
                    f"{name}: workers cannot share {url!r}; use a file: sqlite:///var/app.db"
                )
            elif self.production:
                found += [
                    f"{name}: {each} can be written by others; run: chmod o-w,g-w {each}"
                    for each in (path, path.parent)
                    if each.exists() and each.stat().st_mode & (stat.S_IWOTH | stat.S_IWGRP)
                ]
        return found

    def _transit_problems(self) -> list[str]:
        links = {}
        found = []
        if self.database_url.startswith("postgresql:"):
            try:
                links["APP_DATABASE_URL"] = database_tls.of_database(self.database_url)
            except ValueError as error:
                found.append(f"APP_DATABASE_URL: {error}; write it as .env.example does")
        if self.store_url.startswith(("redis", "valkey")):
            # Malformed, it is a problem already.
            with suppress(ValueError):
                links["APP_STORE_URL"] = database_tls.of_store(self.store_url)
        for name, link in links.items():
            hosts = [each for each in link.hosts if each not in self.dangerously_unencrypted_hosts]
            if hosts and link.flaw:
                found.append(f"{name}: to {', '.join(hosts)}: {link.flaw}")
        return found

    def _debug_problems(self) -> list[str]:
        return [
            f"{name} is set; unset it, debug mode shows the inside of the service to everybody"
            for name in (
                "APP_DEBUG",
                "DEBUG",
                "FLASK_DEBUG",
                "DJANGO_DEBUG",
                "LITESTAR_DEBUG",
                "LITESTAR_PDB",
                "PYTHONDEVMODE",
            )
            if os.environ.get(name, "").lower() not in {"", "0", "false", "no", "off"}
        ]


def load() -> Settings:
    """Read the environment, or raise `ConfigError` with every problem."""
    try:
        settings = Settings()
    except SettingsError as error:
        raise ConfigError(str(error.__cause__ or error)) from None
    except ValidationError as error:
        lines = [
            f"APP_{'_'.join(str(part) for part in each['loc'][:1]).upper()}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigError("\n".join(lines)) from None
    if found := settings.problems():
        raise ConfigError("\n".join(found))
    return settings
