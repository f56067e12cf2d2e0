"""Webhook endpoints: https://apidocs.chargebee.com/docs/api/webhook_endpoints. Only this machine may be one."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._outbox import MAX_ENDPOINTS, endpoints
from aiochargebee_gw.sandbox._params import schema
from aiochargebee_gw.sandbox._problems import Problem, wrong_value

_COMMON = """
    api_version=v1|v2 primary_url:b disabled:b basic_auth_password basic_auth_username send_card_resource:b
    enabled_events[]
"""
_CREATE = schema(f"name! url! chargebee_response_schema_type=plans_addons|items|compat {_COMMON}")
_UPDATE = schema(f"name url {_COMMON}")
_LONGEST = {"name": 50, "url": 512, "basic_auth_username": 250, "basic_auth_password": 250}


def create(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /webhook_endpoints``; a sixth one is 400 ``resource_limit_exhausted``."""
    params = _checked(desk.params(call, _CREATE))
    if len(endpoints(desk.store)) >= MAX_ENDPOINTS:
        raise Problem(400, "resource_limit_exhausted", f"There are {MAX_ENDPOINTS} webhook endpoints already.")
    id = f"whv2_{desk.new_id()}"
    _keep_secret(desk, id, params)
    return {"webhook_endpoint": desk.create("webhook_endpoint", {"id": id, **without_nulls(params)})}


def update(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /webhook_endpoints/{id}``: what is left out stays, the password too."""
    value = desk.find("webhook_endpoint", id)
    params = _checked(desk.params(call, _UPDATE))
    _keep_secret(desk, id, params)
    return {"webhook_endpoint": desk.save("webhook_endpoint", {**value, **without_nulls(params)})}


def delete(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``POST /webhook_endpoints/{id}/delete``: what still waits for it is not posted any more."""
    value = desk.find("webhook_endpoint", id)
    desk.outbox.secrets.pop(id, None)
    desk.discard("webhook_endpoint", value)
    return {"webhook_endpoint": value}


def _checked(params: JsonObject) -> JsonObject:
    for name, most in _LONGEST.items():
        if len(params.get(name) or "") > most:
            raise wrong_value(name, f"should not be longer than {most} characters")
    if ":" in (params.get("basic_auth_username") or ""):
        raise wrong_value("basic_auth_username", "must not hold a colon")
    if params.get("url") is not None and not _is_here(params["url"]):
        raise wrong_value("url", "the sandbox posts to http and https URLs of this machine only, without a user")
    return params


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keep_secret(desk: Desk, id: str, params: JsonObject) -> None:
    """Take the credentials out of what is stored and shown; a blank user takes them away."""
    named = "basic_auth_username" in params or "basic_auth_password" in params
    old_user, old_password = desk.outbox.secrets.get(id, ("", ""))
    user = params.pop("basic_auth_username", old_user) or ""
    password = params.pop("basic_auth_password", old_password) or ""
    if named and user:
        desk.outbox.secrets[id] = (user, password)
    elif named:
        desk.outbox.secrets.pop(id, None)
