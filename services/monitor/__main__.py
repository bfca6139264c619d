"""`python -m services.monitor`."""

from __future__ import annotations

import logging
import os
import sys
import threading

import faust
from confluent_kafka import KafkaException

from services.monitor.app import GROUP, application
from services.monitor.monitor import Monitor
from services.monitor.references import ModelReferences
from services.monitor.session import Session
from shared.features import definitions
from shared.models.topic import ModelFeed
from shared.policy import PolicyError
from shared.settings import Settings, SettingsError
from shared.stream.clients import DependencyError, admin
from shared.telemetry import Telemetry

FAILED, UNREACHABLE = 1, 3
ANSWER_SECONDS = 30.0
LEAVE_SECONDS = 8.0  # a service leaves within ten
TALKATIVE = ("faust", "mode", "aiokafka")
"""Loggers that tell of each step of their own."""


class Worker(faust.Worker):
    """Leaves in time also where the broker is gone, for whose answer Faust waits without end."""

    async def stop(self) -> None:
        """Stop; what is not saved by then is read again."""
        deadline = threading.Timer(LEAVE_SECONDS, os._exit, (FAILED,))
        deadline.daemon = True
        deadline.start()
        await super().stop()


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = Settings.load()
        telemetry = Telemetry.start("monitor", settings)
        references = ModelReferences(ModelFeed(settings))
        file = settings.state_folder / "monitor" / f"state-{settings.instance}.pickle"
        session = Session(file, Monitor(references, definitions()))
        if not session.load():
            _start_anew(settings)
        application_ = application(settings, session, telemetry)
    except (SettingsError, PolicyError, DependencyError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREACHABLE if isinstance(error, DependencyError) else FAILED
    return _work(application_)


def _work(application_: faust.App) -> int:
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    worker = Worker(application_, quiet=True, redirect_stdouts=False, override_logging=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return int(end.code or 0)


def _start_anew(settings: Settings) -> None:
    """Forget how far the group had come: without state everything is read again.

    Raises
    ------
    DependencyError
        If the group still has a member, such as one that was just killed.
    """
    client = admin(settings)
    try:
        client.delete_consumer_groups([GROUP])[GROUP].result(ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "GROUP_ID_NOT_FOUND":
            raise DependencyError(
                f"group {GROUP} cannot be read from the start: {error.args[0].str()}"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
