"""What `--help` says about the commands: here, so that the list of them imports none."""

from __future__ import annotations

__all__ = ["COMMANDS", "EPILOGUE", "ON_CONNECTIONS"]

EPILOGUE = (
    "The key comes from MATON_API_KEY, --api-key-file or a keyring, never from an argument. "
    "Every command takes --json, and those that read data take --sandbox: made-up data of both product catalogues on "
    "this machine, no key."
)

COMMANDS = {
    "list": (
        "Rows of a resource, as a table or as JSON.\n\n"
        "On a terminal a table of a few attributes, elsewhere the same as tab-separated text with a header line. "
        "With --json every record as the server sent it, one a line. Amounts are in the currency's minor unit."
    ),
    "get": (
        "Records by their ids.\n\n"
        "They are shown in the order given, as the server sent them: indented on a terminal, elsewhere one a line. "
        "Ids that do not exist or cannot be are told on stderr, and the exit code is 1 (2 when none can be)."
    ),
    "call": (
        "Any operation by its path.\n\n"
        "Prints the JSON that comes back. A POST is a write, made at once; when its outcome is unknown, the error "
        "names its idempotency key."
    ),
    "export": (
        "Every row of a resource into a file, or down a pipe; several into a folder.\n\n"
        "What is read goes into a journal, from which the file is made when all is there: a run that ended in the "
        "middle, however, is gone on with by --resume (exit code 3, or 130 when interrupted). Beside the file a "
        "manifest says what is in it, as of when. With --json a line at the end says what was done: rows, requests, "
        "seconds, path, sha256; on stdout, or on stderr where the rows go to stdout."
    ),
    "sync": (
        "Resources in one SQLite file, brought up to date by every run.\n\n"
        "The first run reads everything, the next ones what has changed. Each resource is a view in it, so that plain "
        "SQL works: select status, count(*) from subscriptions group by 1. A run that ended in the middle is gone on "
        "with by the next."
    ),
    "sandbox": (
        "Run the sandbox as a server.\n\n"
        "It is the gateway, its control plane and a Chargebee site with made-up data, for this machine only. The first "
        "line on stdout is a JSON object: gateway_url, control_url, site_url, api_key, connection_id, console_url. It "
        "runs until Ctrl-C (exit code 130) or SIGTERM (exit code 0)."
    ),
    "doctor": (
        "Check key, gateway, connection, clock, limits and, if you give one, a Redis.\n\n"
        "Reads a row or two and writes nothing, except with --test-site: then it creates a customer twice under one "
        "idempotency key and deletes it, which tells whether the key reaches Chargebee. It asks first. The exit code "
        "is 0 when nothing fails, else that of the failure."
    ),
}

ON_CONNECTIONS = {
    "list": "The account's connections.",
    "create": "Make a connection.\n\nIt works once somebody has authorized it at the url that is shown.",
    "get": "One connection.",
    "delete": "Delete a connection, at once.",
    "wait": (
        "Wait until a connection is authorized.\n\n"
        "The exit code is 4 when the authorization has failed, 5 when time is up."
    ),
}
