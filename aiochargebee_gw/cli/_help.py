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
        "Every row of a resource into a file, or down a pipe.\n\n"
        "A file appears when it is whole, and not at all after an error. With --json a line at the end says what was "
        "done: rows, requests, seconds, path, sha256; on stdout, or on stderr where the rows go to stdout."
    ),
    "sandbox": (
        "Run the sandbox as a server.\n\n"
        "It is the gateway, its control plane and a Chargebee site with made-up data, for this machine only. The first "
        "line on stdout is a JSON object: gateway_url, control_url, site_url, api_key, connection_id. It runs until "
        "Ctrl-C (exit code 130) or SIGTERM (exit code 0)."
    ),
    "doctor": (
        "Check key, gateway, connection and clock.\n\n"
        "Reads one row and writes nothing. The exit code is 0 when nothing fails, else that of the failure."
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
