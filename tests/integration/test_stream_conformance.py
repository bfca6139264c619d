"""A real Kafka, by the suite that the log in memory passes in tests/unit."""

from collections.abc import Iterator

import pytest

from deploy.local.kafka import Kafka
from tests.conformance.brokers import KafkaBroker
from tests.conformance.log import LogConformance


class TestKafka(LogConformance):
    @pytest.fixture
    def broker(self, kafka: Kafka) -> Iterator[KafkaBroker]:
        opened = KafkaBroker(kafka.bootstrap)
        yield opened
        opened.close()
