"""What the library warns of while a run is on is shown in the run's log, beside the terminal that shows it anyway."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler


class _DuringARun(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - what logging calls
        return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def relay_warnings(name: str = "noiseflow.store") -> None:
    """Sends what a logger warns of to the log of the flow or task run that it comes up in; once, however often it is called."""
    logger = logging.getLogger(name)
    if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
        handler = APILogHandler()
        handler.setLevel(logging.WARNING)
        handler.addFilter(_DuringARun())
        logger.addHandler(handler)
