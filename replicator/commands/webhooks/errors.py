"""Lists the failures of announcing and receiving that end a run, with their texts and exit codes."""

from __future__ import annotations

from replicator.core.errors import Advice, ExitCode

REFUSED = Advice(
    title="Receiver refused",
    meaning="The receiver answered that it doesn't take this announcement, so it isn't sent again.",
    remedy="Read the receiver's word above, and its log. 401 means that it has another secret, no hook of this name, "
    "or a clock that is wrong by more than five minutes: compare the secret's fingerprint in the log above with "
    "`replicator webhook list` there. 404 means another path than /hooks/NAME.",
    exit_code=ExitCode.FAILED,
)

UNDELIVERED = Advice(
    title="Receiver not reached",
    meaning="The receiver could not be reached, or could not store the announcement, before timeout_minutes passed.",
    remedy="Run this step again when the receiver is up: it announces the same event, which is recorded once.",
)

RECEIVER_UNUSABLE = Advice(
    title="Receiver can't start",
    meaning="The webhook receiver could not open its store or its address; it accepts nothing.",
    remedy="Correct what is named, and start it again: what it had acknowledged is in its store.",
)

STORE_UNREADABLE = Advice(
    title="Publications can't be read",
    meaning="The store of the webhook receiver could not be read.",
    remedy="Check `state` in the configuration, and that this user may read it.",
    exit_code=ExitCode.UNREACHABLE,
)

NO_PUBLICATION = Advice(
    title="No such publication",
    meaning="The store holds no publication with this id, or none in a state that allows what was asked.",
    remedy="`replicator publications list` shows ids and states.",
    exit_code=ExitCode.FAILED,
)

STILL_USED = Advice(
    title="Old secret still used",
    meaning="The old secret of the webhook wasn't dropped, because what is sent now would be refused.",
    remedy="Store the new secret at the sender, have the receiver read its configuration again (SIGHUP), and finish "
    "when a delivery has arrived by it: `replicator webhook list` shows them. To drop a leaked secret at once, move "
    "the new file over the old one yourself.",
    exit_code=ExitCode.FAILED,
)

SERVE_MISSING = Advice(
    title="Receiver isn't installed",
    meaning="The packages of the webhook receiver are not installed.",
    remedy="Install them, in a clone of the repository: `pip install '.[serve]'`.",
)
