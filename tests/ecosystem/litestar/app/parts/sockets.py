"""Channels over WebSockets: https://docs.litestar.dev/latest/usage/channels.html."""

from __future__ import annotations

from typing import Any

from litestar import Request, post, websocket_listener
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend

channels_plugin = ChannelsPlugin(
    backend=MemoryChannelsBackend(history=10),
    channels=["chat", "unlisted"],
    create_ws_route_handlers=True,
    ws_handler_base_path="/ws",
    ws_handler_send_history=5,
)


@post("/announce/{text:str}", sync_to_thread=False)
def announce(text: str, request: Request[Any, Any, Any], channels: ChannelsPlugin) -> None:
    channels.publish({"message": text, "by": request.user.name}, "chat")


# https://docs.litestar.dev/latest/usage/websockets.html
@websocket_listener("/echo")
async def echo(data: dict[str, str]) -> dict[str, str]:
    return {"echo": data["text"]}


PART: dict[str, Any] = {"plugins": [channels_plugin], "route_handlers": [announce, echo]}
