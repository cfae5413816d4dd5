"""Shows what the library logs in the log of the flow or task run that it comes up in, beside the terminal."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler


class _DuringARun(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - what logging calls
        return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def send_logs_to_prefect() -> None:
    """Sends what the library logs to Prefect; once, however often it is called."""
    logger = logging.getLogger("noiseflow")
    if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
        logger.setLevel(logging.INFO)
        handler = APILogHandler()
        handler.addFilter(_DuringARun())
        logger.addHandler(handler)
