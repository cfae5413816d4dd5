"""The Prefect job. Prefect sends usage data unless this is set before it is imported; then it writes no device id either."""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
