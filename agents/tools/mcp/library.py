"""langchain's MCP support and fastmcp below it: imported here alone, silent, and telling nobody."""

import logging

from langchain_core._api import suppress_langchain_beta_warning

from lab.errors import BakeoffError

try:
    import fastmcp
    from fastmcp import FastMCP as FastMCP
    from fastmcp.client import Client as Client
    from fastmcp.client.transports import StdioTransport as StdioTransport
    from fastmcp.client.transports import StreamableHttpTransport as StreamableHttpTransport
    from fastmcp.exceptions import ToolError as ToolError
    from fastmcp.exceptions import ValidationError as ValidationError
    from fastmcp.resources import Resource as Resource
    from fastmcp.server.auth import AccessToken as AccessToken
    from fastmcp.server.auth import TokenVerifier as TokenVerifier
    from fastmcp.server.middleware import Middleware as Middleware
    from fastmcp.server.providers import Provider as Provider
    from mcp.types import ElicitResult as ElicitResult

    with suppress_langchain_beta_warning():  # it is said on import
        from langchain.mcp import MCPAdapter as MCPAdapter
except ImportError as error:
    fix = "install it with: pip install 'bakeoff[mcp]'"
    raise BakeoffError("the library fastmcp, for MCP", "no such library", fix) from error

fastmcp.settings.telemetry_mode = "off"
for _name in ("fastmcp", "mcp"):  # they would print what servers say, raw and into the conversation
    _logger = logging.getLogger(_name)
    _logger.handlers, _logger.propagate = [logging.NullHandler()], False
