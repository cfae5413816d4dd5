"""`python -m noiseflow`: the command."""

from noiseflow.cli import app

if __name__ == "__main__":
    app()
