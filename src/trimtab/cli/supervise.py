"""Running the roles of `trimtab up` as child processes, and keeping them running."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

RESTART_AFTER_S = (0.1, 0.5, 1.0, 2.0, 5.0)
HEALTHY_AFTER_S = 30.0
STOP_S = 15.0
POLL_S = 0.05


@dataclass(slots=True)
class Role:
    """One child process: the arguments of `trimtab` it runs with, and how often it failed.

    Attributes:
        files: Open files that it inherits, under the same numbers.
        stop_s: Seconds it gets to end once it is told to.
        errors_only: Whether what it prints goes to standard error.
        group: Roles of one group that were started one after another are stopped at once.
    """

    name: str
    arguments: Sequence[str]
    files: Sequence[int] = ()
    stop_s: float = STOP_S
    errors_only: bool = False
    group: str | None = None
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    failures: int = 0
    restart_at_s: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Starts roles, restarts those that die, and stops them in reverse order.

    State: the children, and whether it was asked to stop.
    """

    say: Callable[[str], None]
    clock: Callable[[], float]
    roles: list[Role] = field(default_factory=list[Role])
    stopping: bool = False

    def start(self, role: Role) -> None:
        """Start a role."""
        self.roles.append(role)
        self._launch(role)

    def heed(self) -> None:
        """From now on, SIGTERM and SIGINT ask to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Watch the roles until asked to stop, then stop them."""
        while not self.stopping:
            for role in self.roles:
                self._look_after(role)
            time.sleep(POLL_S)
        self.stop()

    def stop(self) -> None:
        """Stop every role, the last started first, each with time to finish."""
        for _, group in groupby(reversed(self.roles), lambda role: role.group or role.name):
            running = [
                (role.process, role.stop_s)
                for role in group
                if role.process is not None and role.process.poll() is None
            ]
            for process, _ in running:
                process.terminate()
            end_s = self.clock() + max((stop_s for _, stop_s in running), default=0.0)
            for process, _ in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(end_s - self.clock(), 0.0))
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def _look_after(self, role: Role) -> None:
        now_s = self.clock()
        if role.process is None:
            if now_s >= role.restart_at_s:
                self._launch(role)
        elif role.process.poll() is not None:
            code = role.process.returncode
            # Who was killed did nothing wrong; who gave up needs time for its cause to go away.
            if code < 0 or now_s - role.started_s > HEALTHY_AFTER_S:
                role.failures = 0
            wait_s = RESTART_AFTER_S[min(role.failures, len(RESTART_AFTER_S) - 1)]
            role.failures += 1
            how = (
                f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            )
            self.say(f"{role.name} {how}; restarting it")
            _close(role.process)
            role.process = None
            role.restart_at_s = now_s + wait_s

    def _launch(self, role: Role) -> None:
        # The children get a group of their own: an interrupt from the terminal reaches us alone,
        # and we stop them in order.
        role.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "trimtab", "--supervised", *role.arguments],
            # Never written to: it closes when we are gone, and then they stop, too.
            stdin=subprocess.PIPE,
            start_new_session=True,
            stdout=sys.stderr if role.errors_only else None,
            pass_fds=tuple(role.files),
        )
        role.started_s = self.clock()

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopping = True


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
