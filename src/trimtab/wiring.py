"""Composition root: the only module that reads settings and constructs objects."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from trimtab.control.changes import Control
from trimtab.control.propagate import Follower
from trimtab.cost.meter import Meter
from trimtab.domain.model import Wire
from trimtab.domain.transport import Origin
from trimtab.gateway.app import Gateway
from trimtab.gateway.errors import http_status
from trimtab.gateway.forward import Forward
from trimtab.gateway.server import serve
from trimtab.pipeline.admit import Admit, Identify
from trimtab.pipeline.call import Call
from trimtab.pipeline.content import ContentCapture
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.journal import Journal
from trimtab.pipeline.plan import Plan
from trimtab.pipeline.relay import Relay
from trimtab.pipeline.run import Pipeline
from trimtab.pipeline.screen import Screen
from trimtab.pipeline.settle import Settle
from trimtab.pipeline.upstream import Upstreams
from trimtab.providers.anthropic import AnthropicMessages
from trimtab.providers.base import Adapter
from trimtab.providers.openai import OpenAIChat
from trimtab.settings import Settings
from trimtab.store.memory_limits import MemoryLimits
