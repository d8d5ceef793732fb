# Tells ifrit what pyinfra is about to do at its one host, and what came of it.
#
# pyinfra runs this file twice, before and behind the deploy: the first time it registers for what happens,
# the second time every operation is known and none has begun. NONCE, IS_DRY and SALT stand above it.
import hashlib
import hmac
import inspect
import json
import os
import re
import sys

import pyinfra
from pyinfra import state
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback

TEXT_MAX = 4000
COMMANDS_MAX = 200
OUTPUT_MAX = 16384
# The names of temporary files on a host: some are drawn at random each time.
TEMPORARY = re.compile(r"pyinfra-[0-9a-f]{40}")


def keyed(data):
    return hmac.new(SALT, data, hashlib.sha256).hexdigest()


def content(source):
    if hasattr(source, "read"):
        at = source.tell() if hasattr(source, "tell") else None
        data = source.read()
        if at is not None:
            source.seek(at)
        return data.encode() if isinstance(data, str) else data
    with open(os.path.join(state.cwd or "", source), "rb") as file:
        return file.read()


def shown(command):
    kind = type(command).__name__
    if kind == "FileUploadCommand":
        data = content(command.src)
        return f"upload {len(data)} bytes to {command.dest} (content {keyed(data)[:16]})"
    if kind == "FileDownloadCommand":
        return f"download {command.src}"
    if kind == "FunctionCommand":
        return f"call Python function {command.function.__name__}"
    if kind == "StringCommand":
        # str() masks what the deploy has hidden.
        return str(command)
    return repr(command)


def commands(op):
    texts = []
    try:
        for command in op.command_generator():
            texts.append(TEMPORARY.sub("pyinfra-*", shown(command)))
    except Exception as error:
        # What the first command is was found out before; the others depend on it.
        texts.append(f"and more that only the run can tell ({type(error).__name__})")
    return texts


def function_of(op):
    try:
        return inspect.getclosurevars(op.command_generator).nonlocals.get("func")
    except (TypeError, ValueError):
        return None


def tail(lines):
    return "\n".join(lines)[-OUTPUT_MAX:]


class Reporter(BaseStateCallback):
    def __init__(self):
        # A deploy may print, and may put something else into sys.stdout.
        self.channel = os.dup(1)
        self.numbers = {}
        self.running = None
        self.lost = False

    def send(self, event, **more):
        line = f"\n{NONCE} {json.dumps({'event': event, **more}, ensure_ascii=False)}\n".encode("utf-8", "replace")
        while line:
            line = line[os.write(self.channel, line):]

    def describe(self, host, op_hash):
        meta, op = state.get_op_meta(op_hash), state.get_op_data_for_host(host, op_hash)
        function = function_of(op)
        operation = None
        if function is not None:
            operation = f"{(function.__module__ or 'deploy').split('.')[-1]}.{function.__name__}"
        may_change = bool(op.operation_meta._maybe_is_change)
        texts = commands(op) if may_change else []
        order = list(meta.op_order)
        return {
            "name": ", ".join(sorted(meta.names))[:TEXT_MAX],
            "arguments": [str(argument)[:TEXT_MAX] for argument in meta.args],
            "operation": operation,
            "line": order[1] if len(order) > 1 else None,
            "changes": may_change,
            "conditional": bool(op.global_arguments.get("_if")),
            "guarded": bool(getattr(function, "is_idempotent", False)),
            "commands": [text[:TEXT_MAX] for text in texts[:COMMANDS_MAX]],
            "digest": keyed("\0".join(texts).encode("utf-8", "replace")),
        }

    def prepared(self):
        host = next(iter(state.inventory.get_active_hosts()))
        order = [op_hash for op_hash in state.get_op_order() if op_hash in state.ops[host]]
        self.numbers = {op_hash: number for number, op_hash in enumerate(order)}
        self.send("prepared", operations=[self.describe(host, op_hash) for op_hash in order])
        if IS_DRY:
            return
        if sys.stdin.readline().strip() != "go":
            raise PyinfraError("ifrit: the host is not as it was planned; nothing was done")

    def settle(self):
        if self.running is None:
            return
        host, op_hash = self.running
        meta = state.get_op_data_for_host(host, op_hash).operation_meta
        if not meta.is_complete():
            return
        self.running = None
        self.send(
            "ended",
            operation=self.numbers[op_hash],
            succeeded=meta.did_succeed(),
            changed=meta.did_change(),
            lost=self.lost,
            stdout=tail(meta.stdout_lines),
            stderr=tail(meta.stderr_lines),
        )

    def operation_host_start(self, _state, host, op_hash):
        # An operation inside of another one belongs to it.
        if op_hash in self.numbers:
            self.settle()
            self.running = (host, op_hash)
            self.send("started", operation=self.numbers[op_hash])

    def operation_host_error(self, _state, host, op_hash, *_more):
        transport = getattr(getattr(host.connector, "client", None), "get_transport", lambda: None)()
        self.lost = transport is not None and not transport.is_active()

    def operation_end(self, _state, op_hash):
        self.settle()

    def host_disconnect(self, _state, host):
        self.settle()


reporter = sys.modules.get("_ifrit_reporter")
if reporter is None:
    reporter = sys.modules["_ifrit_reporter"] = Reporter()
    # What --yes leaves out.
    state.check_for_changes = True
    state.add_callback_handler(reporter)
    reporter.send("connected", version=pyinfra.__version__)
else:
    reporter.prepared()
