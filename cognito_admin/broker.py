"""A broker that goes away must not end a worker.

Celery 5.7 closes a lost connection twice, and at the second time kombu 5.7 tries to put the messages that
were under way back through it: an AttributeError that ends the worker. There is nothing to put back into a
broker that is gone; the sweeper sends each job again.
"""

from __future__ import annotations

from typing import Any

from kombu.transport.redis import Channel, QoS


class Unhurt(QoS):
    """What was delivered and not yet acknowledged, on one channel."""

    def restore_unacked(self, client: Any = None) -> None:
        if self.channel.connection.client is not None:  # else closed already
            super().restore_unacked(client)


def survive() -> None:
    Channel.QoS = Unhurt
