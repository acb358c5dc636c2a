"""Where in an object store a film goes: an address that is signed for one PUT and for a few hours.

    BUCKET=films python worker.py

Endpoint, region and keys come from where boto3 looks for them (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID ...).
The address is a secret while it lasts: whoever has it can write that one object.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import boto3

SECONDS = 6 * 60 * 60
"""Longer than any film takes, waiting in queues included."""


def key(graph: dict[str, Any]) -> str:
    """Name the object after the graph: the same graph is the same film."""
    return f"{hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()}.mp4"


def upload_address(bucket: str, graph: dict[str, Any]) -> str:
    """Sign an address for one film. The content type is part of neither signature nor request."""
    place = {"Bucket": bucket, "Key": key(graph)}
    return str(boto3.client("s3").generate_presigned_url("put_object", Params=place, ExpiresIn=SECONDS))
