"""TorchX's Kubernetes scheduler, with the lines of its logs as the processes wrote them.

TorchX 0.7 asks Kubernetes to put the time before every line, which hides torchrun's ranks and a
stage's ``error:``, and leaves out the ends of lines while it follows a log. It raises the client's
error for a job that is gone, as a cancelled one is, where other schedulers say that there is none.
Registered as ``kubernetes`` in pyproject.toml, for ``torchx`` and the chain alike.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from torchx.schedulers.api import DescribeAppResponse, Stream, filter_regex
from torchx.schedulers.kubernetes_scheduler import KubernetesScheduler as TorchxKubernetesScheduler

# As Kubernetes writes it: 2026-01-31T12:00:00.123456789Z, or with an offset.
TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) ?")
NOT_FOUND = 404


class KubernetesScheduler(TorchxKubernetesScheduler):
    """Submits, follows and describes jobs of Volcano's."""

    def describe(self, app_id: str) -> DescribeAppResponse | None:
        """The job as Volcano has it; None when it is gone."""
        # The client is an extra: who runs elsewhere has none.
        from kubernetes.client.rest import ApiException

        try:
            return super().describe(app_id)
        except ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def log_iter(
        self,
        app_id: str,
        role_name: str,
        k: int = 0,
        regex: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        should_tail: bool = False,
        streams: Stream | None = None,
    ) -> Iterable[str]:
        """The lines of a node's log, each with its end."""
        timed = super().log_iter(
            app_id, role_name, k, None, since, until, should_tail=should_tail, streams=streams
        )
        lines = (TIME.sub("", line).removesuffix("\n") + "\n" for line in timed)
        return filter_regex(regex, lines) if regex else lines


def create_scheduler(session_name: str, **options: Any) -> KubernetesScheduler:
    """TorchX's entry point; it hands every scheduler the options of all."""
    return KubernetesScheduler(session_name)
