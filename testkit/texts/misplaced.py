"""Secrets in the forms in which people put them in the wrong place; none of them opens anything."""

from __future__ import annotations

import base64
import json

_BODY = "\n".join(f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC{line}x7Qz9" for line in range(8)) + "\nqZ3x8w=="
PEM = f"-----BEGIN PRIVATE KEY-----\n{_BODY}\n-----END PRIVATE KEY-----\n"
JSON_KEY = json.dumps(
    {
        "type": "service_account",
        "project_id": "swordfish-prod",
        "private_key_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
        "private_key": PEM,
        "client_email": "swordfish@swordfish-prod.iam.gserviceaccount.com",
    },
    indent=2,
)
GITHUB = "ghp_" + "Sw0rdF1shSw0rdF1shSw0rdF1shSw0rdF1sh"
GOOGLE = "ya29.a0Sw0rdF1sh-Sw0rdF1sh_Sw0rdF1shSw0rdF1sh"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECRETS = {
    "PEM": PEM,
    "PEM in one line": PEM.replace("\n", "\\n"),
    "JSON key": JSON_KEY,
    "JSON key in one line": json.dumps(json.loads(JSON_KEY)),
    "GitHub": GITHUB,
    "GitHub, fine-grained": "github_pat_11ABCDEFG0Sw0rdF1shSw0rd_F1shSw0rdF1shSw0rdF1shSw0rdF1sh",
    "Google": GOOGLE,
    "Google API key": "AIzaSyD-Sw0rdF1shSw0rdF1shSw0rdF1shSw0r",
    "JWT": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzd29yZGZpc2gifQ.Sw0rdF1shSw0rdF1sh",
    "AWS": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "hexadecimal": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    "bearer": f"Bearer {GOOGLE}",
    "in a URL": "https://swordfish:Sw0rd-F1sh@example.com",
    "base64 of PEM": _encoded(PEM),
    "base64 of JSON key": _encoded(JSON_KEY),
    "base64 of GitHub": _encoded(GITHUB),
    "base64 of Google": _encoded(GOOGLE),
}
"""Name → secret."""


def tells(secret: str, text: str) -> list[str]:
    """The parts of the secret that a text shows, eight characters each, but words that everybody knows."""
    known = (
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "service_account",
        "https://",
        "example.com",
        "project_id",
        "private_key_id",
    )
    for word in known:
        secret = secret.replace(word, "\0")
    return [part for at in range(len(secret) - 7) if "\0" not in (part := secret[at : at + 8]) and part in text]
